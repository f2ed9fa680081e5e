package dev.jwen.web;

import java.net.Inet4Address;
import java.net.InetAddress;
import java.util.Arrays;

/** Which addresses are somewhere on the internet, and not this machine, its network or nowhere at all. */
final class Addresses {
    private Addresses() {}

    static boolean isPublic(InetAddress address) {
        if (address.isAnyLocalAddress()
                || address.isLoopbackAddress()
                || address.isLinkLocalAddress()
                || address.isSiteLocalAddress()
                || address.isMulticastAddress()) {
            return false;
        }
        byte[] bytes = address.getAddress();
        return address instanceof Inet4Address ? isPublic4(bytes) : isPublic6(bytes);
    }

    // The special-purpose registry of IPv4, beyond what Java knows by name.
    private static boolean isPublic4(byte[] bytes) {
        int a = bytes[0] & 0xff;
        int b = bytes[1] & 0xff;
        int c = bytes[2] & 0xff;
        return !(a == 0
                || a == 10
                || a == 127
                || a >= 224
                || (a == 100 && b >= 64 && b < 128) // shared by a provider's customers
                || (a == 169 && b == 254)
                || (a == 172 && b >= 16 && b < 32)
                || (a == 192 && b == 168)
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (b == 18 || b == 19))); // benchmarks
    }

    private static boolean isPublic6(byte[] bytes) {
        int first = (bytes[0] & 0xff) << 8 | (bytes[1] & 0xff);
        if ((first & 0xfe00) == 0xfc00) {
            return false; // unique local
        }
        if (first == 0x2002) {
            return isPublic4(Arrays.copyOfRange(bytes, 2, 6)); // 6to4
        }
        if (first == 0x2001 && bytes[2] == 0 && bytes[3] == 0) {
            return false; // Teredo
        }
        if (first == 0x64 && (bytes[2] & 0xff) == 0xff && (bytes[3] & 0xff) == 0x9b) {
            return isPublic4(Arrays.copyOfRange(bytes, 12, 16)); // translated to IPv4
        }
        boolean zeros = true;
        for (int i = 0; i < 12; i++) {
            zeros &= bytes[i] == 0;
        }
        return !zeros; // ::a.b.c.d, long abolished
    }
}
