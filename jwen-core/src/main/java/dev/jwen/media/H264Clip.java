package dev.jwen.media;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.jcodec.codecs.h264.H264Decoder;
import org.jcodec.codecs.h264.H264Utils;
import org.jcodec.codecs.h264.decode.SliceHeaderReader;
import org.jcodec.codecs.h264.io.model.NALUnit;
import org.jcodec.codecs.h264.io.model.NALUnitType;
import org.jcodec.codecs.h264.io.model.PictureParameterSet;
import org.jcodec.codecs.h264.io.model.SeqParameterSet;
import org.jcodec.codecs.h264.io.model.SliceHeader;
import org.jcodec.codecs.h264.io.model.SliceType;
import org.jcodec.common.Codec;
import org.jcodec.common.DemuxerTrack;
import org.jcodec.common.DemuxerTrackMeta;
import org.jcodec.common.io.BitReader;
import org.jcodec.common.io.FileChannelWrapper;
import org.jcodec.common.io.NIOUtils;
import org.jcodec.common.logging.Logger;
import org.jcodec.common.model.ColorSpace;
import org.jcodec.common.model.Packet;
import org.jcodec.containers.mp4.demuxer.MP4Demuxer;

/**
 * An MP4 or MOV file with ordinary H.264, decoded in Java by JCodec where there is no ffmpeg.
 *
 * <p>JCodec decodes most of H.264 to the bit and some of it wrongly without a word: B slices with temporal direct
 * prediction, and implicit weights where explicit ones are off. Such files are refused, as are interlaced ones and
 * those of more than 8 bits.
 */
final class H264Clip implements Clip {
    private static final int HEADER_BYTES = 64; // a slice header fits many times over

    private final String name;
    private final FileChannelWrapper channel;
    private final DemuxerTrack track;
    private final DemuxerTrackMeta meta;
    private final Map<Integer, SeqParameterSet> sequences = new HashMap<>();
    private final Map<Integer, PictureParameterSet> pictures = new HashMap<>();
    private final long[] shownAt; // of every packet, in the order of the file

    static {
        try {
            Logger.addSink(message -> {}); // what it would print becomes a sentence here
        } catch (IllegalStateException e) {
            // Another user of the library in this program has set up its log.
        }
    }

    private H264Clip(String name, FileChannelWrapper channel, DemuxerTrack track) throws IOException {
        this.name = name;
        this.channel = channel;
        this.track = track;
        this.meta = track.getMeta();
        if (meta.getCodec() != Codec.H264 || meta.getCodecPrivate() == null || meta.getVideoCodecMeta() == null) {
            throw needsFfmpeg(name, "its codec is not H.264");
        }
        readParameterSets();
        Limits.requireSize(name, coded().getWidth(), coded().getHeight());
        List<Long> times = new ArrayList<>();
        for (Packet packet = track.nextFrame(); packet != null; packet = track.nextFrame()) {
            times.add(packet.getPts());
        }
        this.shownAt = times.stream().mapToLong(Long::longValue).toArray();
        if (shownAt.length == 0) {
            throw new MediaException(name + " has no frames.");
        }
        if (shownAt.length < meta.getTotalFrames()) {
            throw new MediaException("%s is cut short: %d of its %d frames are there."
                    .formatted(name, shownAt.length, meta.getTotalFrames()));
        }
    }

    static Clip open(Path file, String name) {
        FileChannelWrapper channel = null;
        boolean opened = false;
        try {
            channel = NIOUtils.readableChannel(file.toFile());
            DemuxerTrack track = MP4Demuxer.createMP4Demuxer(channel).getVideoTrack();
            if (track == null) {
                throw new MediaException(name + " has no video in it.");
            }
            Clip clip = new H264Clip(name, channel, track);
            opened = true;
            return clip;
        } catch (MediaException e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            // The library throws whatever a damaged file leads it to.
            throw damaged(name, e);
        } finally {
            if (!opened) {
                NIOUtils.closeQuietly(channel);
            }
        }
    }

    private static MediaException damaged(String name, Exception e) {
        return new MediaException(
                "%s is damaged, cut short or in no format that is decoded without ffmpeg (%s). %s"
                        .formatted(name, Limits.reason(e), Ffmpeg.HOW_TO_INSTALL),
                e);
    }

    private static MediaException needsFfmpeg(String name, String why) {
        return new MediaException(
                "%s cannot be decoded without ffmpeg: %s. %s".formatted(name, why, Ffmpeg.HOW_TO_INSTALL));
    }

    private void readParameterSets() {
        for (ByteBuffer unit : H264Utils.getRawSPS(meta.getCodecPrivate().duplicate())) {
            SeqParameterSet set = H264Utils.readSPS(NIOUtils.duplicate(unit));
            if (set.chromaFormatIdc != ColorSpace.YUV420J
                    || set.bitDepthLumaMinus8 != 0
                    || set.bitDepthChromaMinus8 != 0) {
                throw needsFfmpeg(name, "its samples are not 8-bit 4:2:0");
            }
            if (!set.frameMbsOnlyFlag) {
                throw needsFfmpeg(name, "it is interlaced");
            }
            sequences.put(set.seqParameterSetId, set);
        }
        for (ByteBuffer unit : H264Utils.getRawPPS(meta.getCodecPrivate().duplicate())) {
            PictureParameterSet set = H264Utils.readPPS(NIOUtils.duplicate(unit));
            if (set.weightedBipredIdc == 2 && !set.weightedPredFlag) {
                throw needsFfmpeg(name, "it weights predictions in a way that is decoded wrongly here");
            }
            pictures.put(set.picParameterSetId, set);
        }
    }

    private org.jcodec.common.model.Size coded() {
        return meta.getVideoCodecMeta().getSize();
    }

    @Override
    public int frameCount() {
        return shownAt.length;
    }

    @Override
    public double framesPerSecond() {
        double seconds = meta.getTotalDuration();
        return seconds > 0 ? shownAt.length / seconds : UNKNOWN_FPS;
    }

    @Override
    public boolean read(int[] indices, Consumer<Picture> sink) {
        long[] inOrder = shownAt.clone();
        Arrays.sort(inOrder);
        TreeMap<Integer, Picture> waiting = new TreeMap<>(); // decoded, but an earlier one is not
        int given = 0;
        try {
            ((org.jcodec.common.SeekableDemuxerTrack) track).gotoFrame(0);
            H264Decoder decoder = H264Decoder.createH264DecoderFromCodecPrivate(
                    meta.getCodecPrivate().duplicate());
            byte[][] planes = org.jcodec.common.model.Picture.create(
                            (coded().getWidth() + 15) & ~15, (coded().getHeight() + 15) & ~15, ColorSpace.YUV420)
                    .getData();
            for (int i = 0; i < shownAt.length && given < indices.length; i++) {
                ByteBuffer data = track.nextFrame().getData();
                requireKnownPrediction(data);
                org.jcodec.common.model.Picture decoded = decoder.decodeFrame(data.duplicate(), planes);
                int index = Arrays.binarySearch(inOrder, shownAt[i]);
                if (Arrays.binarySearch(indices, index) >= 0) {
                    waiting.put(index, rgb(decoded.cropped()));
                }
                while (given < indices.length && waiting.containsKey(indices[given])) {
                    sink.accept(waiting.remove(indices[given++]));
                }
            }
        } catch (MediaException e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            throw damaged(name, e);
        }
        if (given < indices.length) {
            throw new MediaException(
                    "%s is damaged: %d of the %d frames wanted can be decoded.".formatted(name, given, indices.length));
        }
        return true;
    }

    private void requireKnownPrediction(ByteBuffer frame) {
        for (ByteBuffer unit : H264Utils.splitFrame(frame.duplicate())) {
            byte[] head = new byte[Math.min(unit.remaining(), HEADER_BYTES)];
            unit.duplicate().get(head);
            ByteBuffer header = ByteBuffer.wrap(head);
            H264Utils.unescapeNAL(header);
            NALUnit type = NALUnit.read(header);
            if (type.type != NALUnitType.NON_IDR_SLICE) {
                continue;
            }
            BitReader bits = BitReader.createBitReader(header);
            SliceHeader slice = SliceHeaderReader.readPart1(bits);
            PictureParameterSet picture = pictures.get(slice.picParameterSetId);
            SeqParameterSet sequence = picture == null ? null : sequences.get(picture.seqParameterSetId);
            if (sequence == null) {
                throw new MediaException(name + " is damaged: a frame refers to parameters that are not there.");
            }
            SliceHeaderReader.readPart2(slice, type, sequence, picture, bits);
            if (slice.sliceType == SliceType.B && !slice.directSpatialMvPredFlag) {
                throw needsFfmpeg(name, "it predicts motion in a way that is decoded wrongly here");
            }
        }
    }

    private Picture rgb(org.jcodec.common.model.Picture yuv) {
        SeqParameterSet set = sequences.values().iterator().next();
        boolean full = set.vuiParams != null && set.vuiParams.videoFullRangeFlag;
        boolean bt709 = set.vuiParams != null
                && set.vuiParams.colourDescriptionPresentFlag
                && set.vuiParams.matrixCoefficients == 1;
        Picture picture = Yuv.rgb(yuv, full, bt709);
        return switch (meta.getOrientation()) {
            case D_0 -> picture;
            case D_90 -> Orientation.apply(picture, 6);
            case D_180 -> Orientation.apply(picture, 3);
            case D_270 -> Orientation.apply(picture, 8);
        };
    }

    @Override
    public void close() {
        NIOUtils.closeQuietly(channel);
    }
}
