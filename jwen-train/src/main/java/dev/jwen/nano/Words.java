package dev.jwen.nano;

import java.util.List;

/** Words to work with letter by letter: English ones, ones that sound as if they were, and mere rows of letters. */
final class Words {
    /** English words of three to twelve letters. */
    static final List<String> ENGLISH = List.of("""
            able about above account acorn across action address after again agree air airplane album alive alone
            alphabet amber anchor angel angle animal answer apple apricot april apron arch arrow artist ash aunt autumn
            avocado baby bacon badge bagel baker balance ball balloon bamboo banana banjo bank barn barrel basket bath
            beach beacon bean bear beard beaver bed bee beetle bell belt bench berry bicycle big bird birthday biscuit
            black blanket blossom blue board boat bone book boot bottle bowl box branch brave bread breakfast breeze
            brick bridge bright broom brother brown brush bubble bucket buffalo bug bus bush butter butterfly button
            cabbage cabin cactus cake calendar calm camel camera camp candle candy canoe canyon cap captain car caramel
            card carpet carrot cart castle cat cave ceiling cellar cello cereal chain chair chalk champion cheese cherry
            chess chest chicken child chimney chocolate church cinnamon circle circus city clay clean clever cliff clock
            cloud clover coat cobra coconut coffee coin cold color comet committee compass computer cookie copper coral
            corn corner cotton country cousin cow crab cradle crane crayon cream creek cricket crown crystal cucumber
            cup curtain cushion daisy dance dark daughter dawn day deer desert desk diamond dinner dish doctor dog doll
            dolphin donkey door dove dragon drawer dream dress drum duck dust eagle ear early earth east echo egg eight
            elbow elephant eleven emerald empty engine evening eye fabric face fair falcon family farm farmer feather
            fence fern field fig finger fire fish flag flame flower flute fog forest fork fossil fountain fox freedom
            friend frog frost fruit garden garlic gate ghost giant ginger giraffe glass glove goat gold goose grain
            grape grass green guitar hammer hand happy harbor hat hawk hazel heart hedge helmet hen hill honey hook
            horse hotel house ice igloo ink insect iron island ivory ivy jacket jam jar jelly jewel jungle juice kettle
            key kind king kitchen kite kitten knee knife ladder lake lamp language lantern leaf leather lemon leopard
            letter library light lily lion lizard llama lobster locket lotus lucky lunch magic magnet mango map maple
            marble market marsh meadow melon metal midnight milk mill mint mirror mississippi mitten money monkey moon
            morning moss mother mountain mouse mushroom music mustard nail napkin needle nest nickel night noodle north
            nose notebook number nurse oak oat ocean octopus office oil olive onion orange orchard orchid otter oven owl
            ox paddle page paint palace panda panther paper parade parcel park parrot party pasta path peach peacock
            peanut pear pebble pelican pencil penguin pepper piano picnic picture pie pigeon pillow pilot pine pizza
            planet plant plate plum pocket poem polar pond pony poppy possession potato powder prince pumpkin puppet
            puppy purple puzzle queen quick quiet quilt rabbit raccoon radio rain rainbow raisin raven red reef ribbon
            rice ring river road robin robot rocket roof room rooster root rope rose ruby sail salad salmon salt sand
            sandwich saturn school scissors sea seed seven shadow shark sheep shell ship shirt shoe silver singer sister
            sky sleep snail snake snow soap sock soup south spade sparrow spice spider spinach spoon spring square
            squirrel star station stone storm story strawberry street string sugar summer sun sunflower swan sweater
            table tail tea teacher teapot temple tennis thunder ticket tiger toast tomato tomorrow tooth tower toy train
            tree triangle trumpet tulip tunnel turkey turtle umbrella uncle valley vanilla velvet village violet violin
            wagon walnut water watermelon wave wax weather west whale wheat wheel whisper white willow wind window
            winter wolf wonder wood wool yellow yogurt zebra zero zipper""".split("\\s+"));

    private static final List<String> ONSETS = List.of(
            "b", "bl", "br", "c", "ch", "cl", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "pl",
            "r", "s", "sh", "sl", "st", "t", "th", "tr", "v", "w", "z", "qu", "y");

    private static final List<String> VOWELS =
            List.of("a", "e", "i", "o", "u", "a", "e", "i", "o", "u", "ee", "oo", "ai", "ou", "ea");

    private static final List<String> ENDS =
            List.of("", "", "", "n", "r", "l", "s", "t", "m", "x", "nd", "ck", "ll", "ss", "mp");

    private Words() {}

    /** A word of any kind. */
    static String any(Draw draw) {
        return switch (draw.between(0, 5)) {
            case 0, 1 -> draw.of(ENGLISH);
            case 2, 3 -> invented(draw);
            case 4 -> letters(draw, 26);
            default -> letters(draw, 5);
        };
    }

    /** One to three syllables, three to nine letters. */
    static String invented(Draw draw) {
        while (true) {
            StringBuilder word = new StringBuilder();
            int syllables = draw.between(1, 3);
            for (int i = 0; i < syllables; i++) {
                word.append(draw.of(ONSETS)).append(draw.of(VOWELS)).append(draw.of(ENDS));
            }
            if (word.length() >= 3 && word.length() <= 9) {
                return word.toString();
            }
        }
    }

    /** Three to nine letters of so many different ones; few ones repeat. */
    static String letters(Draw draw, int kinds) {
        int start = draw.between(0, 26 - kinds);
        StringBuilder word = new StringBuilder();
        int length = draw.between(3, 9);
        for (int i = 0; i < length; i++) {
            word.append((char) ('a' + start + draw.between(0, kinds - 1)));
        }
        return word.toString();
    }

    /** The letters one by one. */
    static List<String> spelled(String word) {
        return word.chars().mapToObj(Character::toString).toList();
    }

    /** A word as it may stand in a question: often in quotes. */
    static String quoted(String word, Draw draw) {
        return switch (draw.between(0, 4)) {
            case 0, 1 -> '"' + word + '"';
            case 2 -> "'" + word + "'";
            default -> word;
        };
    }
}
