"""How the coarse levels of the built-in figures are bent; found by `python -m benchmarks.levels --fit`."""

from __future__ import annotations

from composer.crowd.figure.levels import Fit

#: By figure. See `levels.Fit`.
FITS: dict[str, Fit] = {
    "spearman_lean": Fit(
        "fffffffffffffffffdfcfcfcffffjjfffafffcacgggegeddgefffcfffaccgggegegddeffggjjiigggg",
        (
            (32, 0, 30, -37, 29, -7, -13, 0, 18, 8, 0, 0),
            (66, 0, 7, -85, 93, 111, -71, 0, 190, 2, 0, 0),
            (262, 0, -158, 95, -74, 5, 65, 0, -595, -56, 0, 0),
        ),
    ),
    "spearman_sturdy": Fit(
        "ffffbffffffffffffdfcfcfcffffjjfffafffcaceedeeedddefffcfffccceeeeeedddeffggjjiigggg",
        (
            (7, 9, 27, -32, 1, -10, 8, 0, 10, 12, 0, 0),
            (-3, 0, 23, -45, 25, 84, -44, 0, -154, 167, 0, 0),
            (283, -47, -172, 76, 20, 7, 58, 0, -572, -19, 0, 0),
        ),
    ),
    "spearman_broad": Fit(
        "fafffbffffffffffcccdfffcffffdjfcfcfffccceeeeeedddefffcfcfcaceeeeeedddeffggjjiigggg",
        (
            (7, 11, 26, -30, 2, -6, 6, 0, 4, 11, 0, 0),
            (-10, 0, 13, -51, 37, 83, -50, 0, 63, 52, 0, 0),
            (203, 103, -124, 14, 17, -43, 66, 0, -395, 31, 0, 0),
        ),
    ),
    "swordsman_lean": Fit(
        "ffffffffccccfcfccecccdceffffeecccaccccaaeeeeeeeeeecccccccccceeeeeeeeeeffffjjiigggg",
        (
            (38, 0, 27, -46, 0, 30, 0, 0, -6, -6, 0, 0),
            (69, 0, 54, -93, 3, 40, -17, 0, 0, 72, 0, 0),
            (-121, 0, -64, -286, -150, -78, -88, 0, -47, -404, 0, 0),
        ),
    ),
    "swordsman_sturdy": Fit(
        "faffbffffcccfccccecccdceffffeecccccccacceeeeeeeeeecccccccccceeeeeeeeeeffffjjiigggg",
        (
            (4, 7, 27, -38, 2, 28, -4, 0, -8, -4, 0, 0),
            (-18, 0, 62, -64, 10, 25, -21, 0, -23, 114, 0, 0),
            (-449, -115, -18, -233, -118, -26, 131, 0, -316, -314, 0, 0),
        ),
    ),
    "swordsman_broad": Fit(
        "fffffbffccccfccccecccdceffffefccccccceaaeeeeeeeeeecccccaceceeeeeeeeeeeefffjjiigggg",
        (
            (6, 8, 29, -36, 3, 25, 0, 0, -10, 29, 0, 0),
            (-32, 0, 79, -59, 15, 16, -21, 0, 195, -29, 0, 0),
            (-222, 17, -60, -149, -70, -49, -137, 0, -543, -21, 0, 0),
        ),
    ),
    "heavy_lean": Fit(
        "fajafffffffchceefhhhcceaeaeeeaaaaefefeaffeeeeeeaeaaaaefaeeaffeffggjjiigggghhhhhh",
        (
            (-21, 0, 25, 0, 29, 15, 0, -2, 13, 19, 0, 0),
            (-156, 0, -10, 0, 96, 37, -35, -31, 229, -47, 0, 0),
            (-1, 0, -171, 0, 131, 91, -110, 47, -298, 306, 0, 0),
        ),
    ),
    "heavy_sturdy": Fit(
        "bfafffffffcahceefhhhcceaeaceeaaaaefefeffffeeeaeaeaaaaefefeaffeffggjjiigggghhhhhh",
        (
            (-27, 8, 26, 0, 33, 14, 2, 2, 21, 13, 0, 0),
            (-188, 0, -38, 0, 97, 34, -28, -42, -97, 130, 0, 0),
            (166, -75, -282, 0, 160, 51, 15, 182, -500, 243, 0, 0),
        ),
    ),
    "heavy_broad": Fit(
        "bjaaffffffffffffececeaccfefecceaeaeeeaaeaefefeaffeeceeeaeaaaaefefeaffeffggjjiigggg",
        (
            (-28, 11, 34, 0, 31, 12, 4, 0, 15, 16, 0, 0),
            (-213, 0, -22, 0, 104, 33, -23, 0, 27, 19, 0, 0),
            (109, 6, -284, 0, 99, 75, -131, 0, -380, 302, 0, 0),
        ),
    ),
    "levy_lean": Fit(
        "bbbbbbbbccccccccccccccccccacddcccacccaacgggeggdddeccccccccccgegeggdddeffggiiiigggg",
        (
            (21, -1, 38, -61, 53, -18, -3, 0, -6, 0, 0, 0),
            (-24, 150, 116, -88, 120, 0, -25, 0, 20, 0, 0, 0),
            (128, 60, -146, 361, 41, -15, 24, 0, -611, 0, 0, 0),
        ),
    ),
    "levy_sturdy": Fit(
        "hhhhhbhhcchccccccccccccchhhhddcccaccccaagggeggdddeccccccccccgegeggdddeffggjjiigggg",
        (
            (30, 9, 41, -49, 57, -19, -3, -2, 4, -17, 0, 0),
            (81, 0, 114, -66, 134, -6, -24, 23, 101, -69, 0, 0),
            (135, 7, -114, 329, 132, 121, -102, -9, -393, -236, 0, 0),
        ),
    ),
    "levy_broad": Fit(
        "eeeebbbbccccccccccccccccccacdccccacccaaadedededddecccccacaaadedddedddegfggiiiigggg",
        (
            (14, -36, 57, -20, 44, -17, 3, 0, -5, 0, 0, 0),
            (-65, 101, 82, -99, 76, 2, -15, 0, 22, 0, 0, 0),
            (236, 193, -136, 31, 63, 749, -379, 0, -285, 0, 0, 0),
        ),
    ),
    "archer_lean": Fit(
        "hhhhbhbbeeeeeeeeccccccccjaaeddcccccccaeadedededddecccccccacededededddeggeg",
        (
            (20, -64, 55, 7, -11, 0, -20, 25, 0, -16, 0, 0),
            (64, 37, 112, -39, -5, 0, -28, 57, 0, -32, 0, 0),
            (14, 21, -54, -5, -54, 0, -7, 24, 0, -138, 0, 0),
        ),
    ),
    "archer_sturdy": Fit(
        "eebebbbbeeeeeeeeccccccccejaaddccccccceeadedededddecccccccecededededddeggeg",
        (
            (-3, -72, 54, 17, -6, 0, -19, 0, 0, -16, 0, 0),
            (-17, 55, 118, -27, 7, 0, -27, 0, 0, -33, 0, 0),
            (-9, -41, -38, 26, -37, 0, -12, 0, 0, 52, 0, 0),
        ),
    ),
    "archer_broad": Fit(
        "hhhhhbhheeeeeeeeccccccccjhhhddcccccccaaadddededddecccccacaccdedededddeggeg",
        (
            (33, 3, 65, 14, -16, 0, -20, -21, 0, -15, 0, 0),
            (163, 0, 133, -5, -5, 0, -24, 17, 0, -27, 0, 0),
            (-24, 137, -5, 15, -24, 0, -8, 87, 0, -468, 0, 0),
        ),
    ),
    "officer_lean": Fit(
        "jaajffffffhfhhhfjcedeceehhhhjjeaeaeeeaaaeeeeeedddeeeeaeaeaaaeeeededddeffffhhhhhh",
        (
            (60, 0, 90, -8, 25, 23, 0, 62, 0, 33, 0, 0),
            (64, 0, -26, -20, 20, 34, 0, -33, 0, 148, 0, 0),
            (-64, 0, -140, -25, -84, -8, 0, 82, 0, -80, 0, 0),
        ),
    ),
    "officer_sturdy": Fit(
        "bafjjfffffhfhhhfjccdefeehhhhjjeaeaeeeaaaeefefefffeeeeaeaeaaafffefefffeffffhhhhhh",
        (
            (45, 19, 92, -51, 22, 49, 0, 62, 0, 40, 0, 0),
            (34, 0, -25, -152, -9, 90, 0, -34, 0, 160, 0, 0),
            (-27, 81, -624, -188, 29, -14, 0, 92, 0, -27, 0, 0),
        ),
    ),
    "officer_broad": Fit(
        "jbfafffffehfhhhfjdccjfechhhhjjeaeaeeeaaaeeeeeeeeeeeeeaeaeaaeeeeeeeeeeeffffhhhhhh",
        (
            (40, 25, 97, 7, 31, 20, 0, 58, 0, 41, 0, 0),
            (5, 0, -14, 38, 26, 28, 0, -39, 0, 151, 0, 0),
            (-11, 69, -184, -519, -8, -13, 0, 57, 0, 109, 0, 0),
        ),
    ),
    "bannerman_lean": Fit(
        "hhhhhhhhfcffhdffhhhhfdfffafffcaaeeeeeeeedefafafafaaaeeeeeeedeeijgigggghhhhhh",
        (
            (8, 0, 19, -20, -4, -2, -10, 1, -45, -113, 0, 0),
            (143, 0, 6, -17, 11, 218, -66, 8, -158, -352, 0, 0),
            (-68, 0, 590, -282, -67, -172, -137, 69, -884, -183, 0, 0),
        ),
    ),
    "bannerman_sturdy": Fit(
        "hhhhhbhhfcfdhfffhhhhfffffafffcaaeeeeeeeedefffafffaaceeeeeeeeeeijgigggghhhhhh",
        (
            (-19, 19, 24, -15, -2, -1, -10, 1, -46, -114, 0, 0),
            (28, 0, 7, 20, 28, 212, -64, -5, -157, -351, 0, 0),
            (-101, -22, 551, 37, -126, -198, -180, 139, -946, -128, 0, 0),
        ),
    ),
    "bannerman_broad": Fit(
        "hhffbbaafcfdhfhfhhhhfffffffffcaceeeeeeeddefffffffaaceeeeeeddeeijgigggghhhhhh",
        (
            (-17, 12, 25, -14, -4, 2, -10, 0, -46, -114, 0, 0),
            (19, 0, 12, 41, 37, 205, -64, -20, -158, -351, 0, 0),
            (-150, -150, 654, -113, -73, -119, -179, 154, -876, -172, 0, 0),
        ),
    ),
    "slinger_lean": Fit(
        "hhhhbhbbcccccccecaccccccccccaacccccccaaaaeaeaaaaaecccccccaaaaeaeaeaaaeaeee",
        (
            (28, -51, 25, 0, 23, 0, 0, 44, 0, 0, 0, 0),
            (-31, 6, 12, 0, 78, 0, 0, 50, 0, 0, 0, 0),
            (-54, 29, -123, 0, -73, 0, 0, 46, 0, 0, 0, 0),
        ),
    ),
    "slinger_sturdy": Fit(
        "hhhhbhbbcccccccccacacccccccccccacccccaaaaeaeaeaaaecccccacaaaaeaeaaaaaeaeee",
        (
            (34, -50, 27, 0, 24, 0, 0, 45, 0, 0, 0, 0),
            (-23, 9, 14, 0, 75, 0, 0, 53, 0, 0, 0, 0),
            (-44, 31, -117, 0, -17, 0, 0, 46, 0, 0, 0, 0),
        ),
    ),
    "slinger_broad": Fit(
        "hhhhbhbbcccccceccacccccacccccccccacccaaaaeaeaeaaaecccccacaaaaeaaaeaaaeaeee",
        (
            (-3, -59, 28, 0, 21, 0, 0, 41, 0, 0, 0, 0),
            (-14, 12, 16, 0, 70, 0, 0, 53, 0, 0, 0, 0),
            (-26, 22, -66, 0, -37, 0, 0, 35, 0, 0, 0, 0),
        ),
    ),
    "wounded_lean": Fit(
        "jjbbbbbbcccccccccccdccccaccccccccccccaaagggeggdgdecacccccaaadggegeddde",
        (
            (19, -10, 27, -67, 44, 0, -32, 0, 0, 13, 0, 0),
            (-21, 138, 70, -94, 107, 0, -60, 0, 0, 75, 0, 0),
            (2, 88, -33, -141, -151, 0, -5, 0, 0, 227, 0, 0),
        ),
    ),
    "wounded_sturdy": Fit(
        "jjbbbbbbcccccccccccdccccccaccccccacccaaagggeggdddecccccccaaagggegeddde",
        (
            (19, -10, 30, -62, 46, 0, -33, 0, 0, 13, 0, 0),
            (-23, 135, 77, -84, 110, 0, -60, 0, 0, 74, 0, 0),
            (0, 106, -30, -15, -105, 0, -65, 0, 0, 214, 0, 0),
        ),
    ),
    "wounded_broad": Fit(
        "jjbbbbbbcccccccccccdccccccaccccccacccaaaggggeedgdecccccacaaadggeggddde",
        (
            (22, -9, 40, -64, 49, 0, -37, 0, 0, 14, 0, 0),
            (-24, 133, 85, -74, 112, 0, -60, 0, 0, 73, 0, 0),
            (0, 102, -36, -45, -18, 0, -28, 0, 0, 213, 0, 0),
        ),
    ),
    "dead_lean": Fit(
        "bbbbbbbbcccccccccccdccccccaccccccacacaaaeedeeedddecccccccaaaeeeeeeddde",
        (
            (8, -20, 23, 4, -3, 0, 0, 0, 0, 0, 0, 0),
            (-16, 113, 62, -35, 12, 0, 0, 0, 0, 0, 0, 0),
            (6, 117, -41, -35, -111, 0, 0, 0, 0, 0, 0, 0),
        ),
    ),
    "dead_sturdy": Fit(
        "bbbbbbbbcccccccccccdccccccaacccccccacaaaeedeeedddecccccccaaaeeeeeeddde",
        (
            (10, -17, 30, 1, -4, 0, 0, 0, 0, 0, 0, 0),
            (-16, 118, 68, -27, 10, 0, 0, 0, 0, 0, 0, 0),
            (15, 115, -47, 7, -91, 0, 0, 0, 0, 0, 0, 0),
        ),
    ),
    "dead_broad": Fit(
        "bbbbbbbbcccccccccdccccccccaacccccccccaaaeeeeeeeddecccccacaaaeeeeeeddde",
        (
            (9, -17, 31, 5, -3, 0, 0, 0, 0, 0, 0, 0),
            (-19, 116, 73, -17, 11, 0, 0, 0, 0, 0, 0, 0),
            (18, 116, -10, -43, -81, 0, 0, 0, 0, 0, 0, 0),
        ),
    ),
    "lancer_lean": Fit(
        "fffffbfffffffffejcfdfcfcffffjffcfafffcaceeeeeedddefffffafccceeeeeeddeeffggjjiigggg",
        (
            (-13, 9, 54, 3, 21, -24, 10, 185, 10, -10, -10, -11),
            (-67, 0, 84, 81, 29, 106, -26, 516, 97, -271, -64, -27),
            (54, 8, 177, 759, 1200, -93, 396, -100, 727, -1200, -155, 171),
        ),
    ),
    "lancer_sturdy": Fit(
        "fffffbffffffffffjcedfcfcffffjffffafffcaceeeeeeeddefffcfcfccceeeeeeeddeffggjjiigggg",
        (
            (-15, 9, 56, 5, 22, -23, 9, 184, 9, -9, -10, -11),
            (-79, 0, 77, 89, 30, 102, -26, 504, 93, -259, -64, -27),
            (21, 4, 476, 568, 1135, -50, 327, -70, 575, -1200, -142, 139),
        ),
    ),
    "lancer_broad": Fit(
        "faffbffffffeffffjcfdfcfcffffjffcfcfffccaeeeeeedddeffffccfccceeeeeedddeffggjjiigggg",
        (
            (-15, 9, 57, 7, 22, -19, 7, 180, 8, -7, -10, -11),
            (-93, 0, 69, 96, 32, 100, -27, 485, 89, -239, -65, -27),
            (-6, -49, 697, 733, 1200, -65, 189, -124, 547, -1200, -146, 178),
        ),
    ),
    "horseman_lean": Fit(
        "ffffbbaacchchhhccdccccechhhhcfcccaccccaaeeeeeedeeecccccccaeeeeeeeeeeeeffffhhhhhh",
        (
            (6, 5, 57, 1, 20, 45, 0, 99, 0, -8, -23, -13),
            (111, 0, 143, 60, 19, 45, 0, 221, 0, -277, -93, -31),
            (-432, -101, 75, 232, 1200, 155, 0, 73, 0, -1200, -112, 94),
        ),
    ),
    "horseman_sturdy": Fit(
        "ffffbbaacchchhhccdccccechhhhcfccccccccaaeeeeeedeeecacccccaeeeeeeeeeeeeffffhhhhhh",
        (
            (5, 4, 65, 1, 21, 45, 0, 95, 0, -4, -23, -12),
            (109, 0, 142, 61, 20, 45, 0, 205, 0, -263, -91, -30),
            (-446, -118, 95, 238, 1200, 161, 0, 145, 0, -1200, -116, 97),
        ),
    ),
    "horseman_broad": Fit(
        "ffffbbaacchchhhccccccdecahhhcfcccccccecceeeeeedeeecccccccaeaeeeeeeeeeeffffhhhhhh",
        (
            (0, 3, 70, -1, 22, 45, 0, 86, 0, 5, -23, -10),
            (107, 0, 141, 61, 22, 45, 0, 181, 0, -242, -89, -29),
            (-431, -166, 32, 657, 1200, 189, 0, 204, 0, -1200, -116, 121),
        ),
    ),
}
