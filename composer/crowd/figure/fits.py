"""How the coarse levels of the built-in figures are bent; found by `python -m benchmarks.levels --fit`."""

from __future__ import annotations

from composer.crowd.figure.levels import Fit

#: By figure. See `levels.Fit`.
FITS: dict[str, Fit] = {
    "spearman_lean": Fit(
        "fffffffffffffffffdfcfcfcffffjjfcfafffcaagggeeeddgefffcfcfcccgggeggdgdegffgjjiigggg",
        (
            (30, 0, 29, -40, 28, -8, -25, 0, -23, -3, 0, 0),
            (78, 0, 1, -66, 82, 108, -89, 0, -33, -14, 0, 0),
            (147, 0, -89, 115, -30, -37, 96, 0, -584, -111, 0, 0),
        ),
    ),
    "spearman_sturdy": Fit(
        "ffffbffffffffffffdfcfcfcffffjjfffafcfcaceedeeedddefffffafccceeeeeedddeffggjjiigggg",
        (
            (4, 9, 24, -33, 2, -11, -9, 0, -27, -6, 0, 0),
            (14, 0, -1, -62, 39, 87, -82, 0, -43, -16, 0, 0),
            (319, -53, -92, 56, 0, -2, 127, 0, -628, -120, 0, 0),
        ),
    ),
    "spearman_broad": Fit(
        "fafffbfffffffffffcfdcffcffffjdfcfcfcfccaeeeeeedddefffcfcfccceeeeeedddeffggjjiigggg",
        (
            (4, 9, 24, -32, 3, -8, -11, 0, -26, -8, 0, 0),
            (6, 0, 3, -46, 38, 84, -80, 0, -20, -11, 0, 0),
            (207, 75, -117, -13, 8, -26, 63, 0, -404, 18, 0, 0),
        ),
    ),
    "swordsman_lean": Fit(
        "ffffffffccccfccccecccdcefffcefcccaccceaaeeeeeeeeeeccccccceeeeeeeeeeeeeffffjjiigggg",
        (
            (27, 0, 27, -45, 1, 30, -21, 0, -28, -30, 0, 0),
            (74, 0, 51, -89, 18, 44, -131, 0, -79, -67, 0, 0),
            (-73, 0, -89, -355, -142, -82, -70, 0, -55, -438, 0, 0),
        ),
    ),
    "swordsman_sturdy": Fit(
        "affffbffccccfccccecccdceffffefceccccceceeeeeeeeeeecccccaceaeeeeeeeeeeeffffjjiigggg",
        (
            (-5, 6, 27, -35, 3, 29, -21, 0, -30, -31, 0, 0),
            (-13, 0, 59, -61, 25, 30, -135, 0, -94, -80, 0, 0),
            (-421, -60, -37, -288, -115, -26, 88, 0, -317, -292, 0, 0),
        ),
    ),
    "swordsman_broad": Fit(
        "fffffbffceccfcfccecccdccffffeeccccccccaaeeeeeeeeeecccccccccceeeeeeeeeeffffjjiigggg",
        (
            (-11, 4, 26, -31, 1, 22, -15, 0, -21, -23, 0, 0),
            (-61, 0, 60, -56, 23, 8, -119, 0, -134, -4, 0, 0),
            (-157, 3, -46, -190, -97, -53, -172, 0, -449, -48, 0, 0),
        ),
    ),
    "heavy_lean": Fit(
        "ffjffffffafchceehhhhcceeeaeeeeaaaefeffaafeeeeaeaeaeeaefefeaffeffggjjiigggghhhhhh",
        (
            (-17, 0, 29, 0, 27, 15, -17, 4, -14, -10, 0, 0),
            (-156, 0, -46, 0, 89, 30, -61, -47, -108, -36, 0, 0),
            (103, 0, -247, 0, 142, 37, -119, 2, -237, 287, 0, 0),
        ),
    ),
    "heavy_sturdy": Fit(
        "bffaffffcffahcechhhhcceaeaeeeaaaaefefefffeeeeaeceaaaaefefefffeffggjjiigggghhhhhh",
        (
            (-23, 18, 35, 0, 32, 13, -13, 8, -16, -3, 0, 0),
            (-178, 0, -34, 0, 98, 33, -59, -36, -29, -85, 0, 0),
            (120, -70, -96, 0, 83, 41, 75, 182, -542, 170, 0, 0),
        ),
    ),
    "heavy_broad": Fit(
        "bjaaffffffffffffcceceaecfefecceaeaeeeaaeaefefeaffeeaeccaeaaaaefefeaffeffggjjiigggg",
        (
            (-23, 20, 42, 0, 29, 10, -12, 0, -17, -9, 0, 0),
            (-208, 0, -27, 0, 103, 25, -50, 0, -63, -48, 0, 0),
            (87, -41, -248, 0, 90, 57, -77, 0, -508, 305, 0, 0),
        ),
    ),
    "levy_lean": Fit(
        "bbbbbbbbccccccceccccccccccacdccccaccccacgggedgdddeccccccccacgggeggdddeffggiiiigggg",
        (
            (20, -2, 37, -56, 53, -29, -11, 0, -36, 0, 0, 0),
            (-12, 163, 124, -68, 122, -48, -36, 0, -84, 0, 0, 0),
            (203, 16, -92, 75, 85, -118, 125, 0, -664, 0, 0, 0),
        ),
    ),
    "levy_sturdy": Fit(
        "hhhhhbhhhccccccccccccccchhhhcdcccaccccaagggedggddgcccccccccaeggeggdddeffggjjiigggg",
        (
            (28, 9, 39, -46, 57, -29, -11, -4, -35, -39, 0, 0),
            (83, 0, 121, -44, 140, -50, -33, 22, -88, -101, 0, 0),
            (109, -6, -55, 164, 298, 133, -111, -90, -314, -262, 0, 0),
        ),
    ),
    "levy_broad": Fit(
        "eebeebbbccccccccccccccccccaccdcccccacaaadedededddecccacacaaadedddedddegfggiiiigggg",
        (
            (14, -38, 58, -14, 44, -27, -7, 0, -35, 0, 0, 0),
            (-57, 109, 93, -85, 81, -46, -28, 0, -82, 0, 0, 0),
            (179, 120, -122, 16, 63, 740, -364, 0, -275, 0, 0, 0),
        ),
    ),
    "archer_lean": Fit(
        "hhhhbhbbeeeeeeeeccccccccjaaeddcccccccaeadedededddecccccecacededededddeggeg",
        (
            (20, -64, 55, 6, -11, 0, -20, 25, 0, -17, 0, 0),
            (58, 24, 113, -39, -4, 0, -28, 50, 0, -33, 0, 0),
            (34, 21, -50, -5, -61, 0, -7, 23, 0, -150, 0, 0),
        ),
    ),
    "archer_sturdy": Fit(
        "eebebbbbeeeeeeeeccccccccejaaddccccccceeadedededddecccccccecededededddeggeg",
        (
            (-3, -72, 54, 17, -6, 0, -19, 0, 0, -18, 0, 0),
            (-15, 55, 119, -27, 7, 0, -27, 0, 0, -33, 0, 0),
            (-5, -40, -40, 26, -37, 0, -14, 0, 0, 45, 0, 0),
        ),
    ),
    "archer_broad": Fit(
        "bhhhhhhheeeeeeeeccccccccjhhhddcccccccaaadddededddecccccccacadedededddeggeg",
        (
            (34, 4, 65, 15, -16, 0, -20, -21, 0, -16, 0, 0),
            (164, 0, 133, -6, -5, 0, -24, 17, 0, -29, 0, 0),
            (-44, 113, -4, 13, -29, 0, -14, 107, 0, -484, 0, 0),
        ),
    ),
    "officer_lean": Fit(
        "jafjffffffhfhhhfjcedeceehhhhjjeaeaaaeaaaeeeeeedddeeeeaaaeaaaeedeeeeddeffffhhhhhh",
        (
            (57, 0, 88, -5, 20, 23, 0, 55, 0, 30, 0, 0),
            (70, 0, -25, -4, 17, 38, 0, -33, 0, 144, 0, 0),
            (-78, 0, -241, -28, -59, -81, 0, 78, 0, -16, 0, 0),
        ),
    ),
    "officer_sturdy": Fit(
        "bajjffffffhfhhhfjccdefeehhhhjjeeeaeeeaaaeffefefffeeeeaeaeaaaeffefefffeffffhhhhhh",
        (
            (46, 35, 88, -50, 17, 49, 0, 55, 0, 37, 0, 0),
            (41, 0, -27, -134, -9, 96, 0, -33, 0, 155, 0, 0),
            (-17, 56, -538, -231, 10, -17, 0, 93, 0, -73, 0, 0),
        ),
    ),
    "officer_broad": Fit(
        "jajjffbfffhfhhhfedcccfejhhhhjjeaeaeeeaaaeeeeeeeeeeeceacaeaaaeeeeeeeeeeefffhhhhhh",
        (
            (40, 35, 95, 9, 26, 20, 0, 52, 0, 37, 0, 0),
            (11, 0, -15, 52, 28, 34, 0, -35, 0, 144, 0, 0),
            (-20, -44, 73, -251, -36, -48, 0, 103, 0, -43, 0, 0),
        ),
    ),
    "bannerman_lean": Fit(
        "hhhhhhhhfcffhdffhhhhfdfffafffaaaeeeeeeeedefafafffaaceeeeeeedeeijgigggghhhhhh",
        (
            (9, 0, 19, -20, -4, -2, -10, 1, -46, -114, 0, 0),
            (147, 0, 5, -14, 11, 217, -67, 8, -149, -314, 0, 0),
            (-68, 0, 584, -288, -67, -162, -138, 70, -947, -153, 0, 0),
        ),
    ),
    "bannerman_sturdy": Fit(
        "hhhhhbhhfcfdhfffhhhhfffffafffcaaeeeeeedeeefffafffaaceeeeeedeeeijgigggghhhhhh",
        (
            (-18, 18, 24, -15, -2, -1, -9, 2, -46, -114, 0, 0),
            (30, 0, 6, 21, 28, 211, -64, -5, -147, -311, 0, 0),
            (-89, -21, 515, 84, -123, -193, -181, 134, -962, -120, 0, 0),
        ),
    ),
    "bannerman_broad": Fit(
        "fhhfbbaafcfdhfhfhhhhfffffffffcaceeeeeeeddefffffffaaceeeeeeedeeijgigggghhhhhh",
        (
            (-17, 12, 24, -14, -4, 2, -9, 0, -46, -114, 0, 0),
            (21, 0, 12, 41, 37, 204, -64, -21, -147, -311, 0, 0),
            (-160, -175, 659, -84, -76, -119, -182, 150, -877, -172, 0, 0),
        ),
    ),
    "slinger_lean": Fit(
        "hhhhbhbbcccccccccacccccccccccacccacccaaaaeaeaeaaaecccacacaaaaeaeaaaaaeaeee",
        (
            (30, -51, 21, 0, 24, 0, 0, 44, 0, 0, 0, 0),
            (-26, 17, 12, 0, 79, 0, 0, 57, 0, 0, 0, 0),
            (-66, 28, -148, 0, -30, 0, 0, 43, 0, 0, 0, 0),
        ),
    ),
    "slinger_sturdy": Fit(
        "hhhhbhbbcccccccccacccccccccccacacacccaaaaeaeaaaaaecccacacaaaaeaeaeaaaeaeee",
        (
            (37, -49, 23, 0, 25, 0, 0, 45, 0, 0, 0, 0),
            (-17, 19, 14, 0, 76, 0, 0, 57, 0, 0, 0, 0),
            (-46, 30, -119, 0, -20, 0, 0, 47, 0, 0, 0, 0),
        ),
    ),
    "slinger_broad": Fit(
        "hhhhbhbbcccccccccaccccccccccaacccacccaaaaeaeaeaaaecccccacaaaaeaaaeaaaeaeee",
        (
            (2, -59, 25, 0, 22, 0, 0, 40, 0, 0, 0, 0),
            (-6, 26, 18, 0, 70, 0, 0, 62, 0, 0, 0, 0),
            (-36, 32, -95, 0, 6, 0, 0, 47, 0, 0, 0, 0),
        ),
    ),
    "wounded_lean": Fit(
        "jjbbbbbbccceccccccccccccaccccccccacccaaagggedgdgdecccccccaaadggedgddde",
        (
            (18, -11, 25, -62, 45, 0, -34, 0, 0, 13, 0, 0),
            (-18, 148, 71, -78, 110, 0, -57, 0, 0, 80, 0, 0),
            (-9, 111, -88, -46, -60, 0, -76, 0, 0, 208, 0, 0),
        ),
    ),
    "wounded_sturdy": Fit(
        "jjbbbbbbcccccccccccdccccaccccccccacccaaagggeggdddecccccccaaagggegedddg",
        (
            (18, -10, 28, -58, 48, 0, -36, 0, 0, 13, 0, 0),
            (-18, 148, 78, -69, 113, 0, -58, 0, 0, 80, 0, 0),
            (11, 74, -24, -41, -168, 0, -38, 0, 0, 235, 0, 0),
        ),
    ),
    "wounded_broad": Fit(
        "jjbbbbbbcccccccccccdcccccaaccccccccccaaaggggeedddecccccacaaagggeggddde",
        (
            (21, -10, 38, -57, 50, 0, -39, 0, 0, 13, 0, 0),
            (-19, 147, 87, -59, 115, 0, -58, 0, 0, 79, 0, 0),
            (4, 125, -33, 6, -33, 0, -81, 0, 0, 195, 0, 0),
        ),
    ),
    "dead_lean": Fit(
        "bbbbbbbbcccccccccccdccccccaccccccccacaaaeedeeedddecccacacaaaeeeeeeddde",
        (
            (6, -20, 21, 12, -5, 0, 0, 0, 0, 0, 0, 0),
            (-11, 127, 63, -18, 11, 0, 0, 0, 0, 0, 0, 0),
            (-7, 113, -31, -56, -120, 0, 0, 0, 0, 0, 0, 0),
        ),
    ),
    "dead_sturdy": Fit(
        "bbbbbbbbcccccccccccdcccccaaccccccccccaaaeedeeedddecacccccaaaeeeeeeddde",
        (
            (6, -20, 27, 11, -4, 0, 0, 0, 0, 0, 0, 0),
            (-13, 123, 70, -9, 12, 0, 0, 0, 0, 0, 0, 0),
            (-4, 108, -29, -19, -98, 0, 0, 0, 0, 0, 0, 0),
        ),
    ),
    "dead_broad": Fit(
        "bbbbbbbbcccccccccccdcccccaaccccccccccaaaeedeeedddecacccccaaaeeeeeeddde",
        (
            (7, -19, 28, 14, -3, 0, 0, 0, 0, 0, 0, 0),
            (-16, 120, 77, 0, 14, 0, 0, 0, 0, 0, 0, 0),
            (-1, 112, -39, 15, -66, 0, 0, 0, 0, 0, 0, 0),
        ),
    ),
    "lancer_lean": Fit(
        "fffffbfffffffffejcfdfcfcffffjffcfafffcaceeeeeedddefffffafccceeeeeeddeeffggjjiigggg",
        (
            (-13, 8, 56, 3, 20, -23, 4, 183, -8, -16, -11, -11),
            (-65, 0, 76, 82, 23, 107, -39, 508, -7, -251, -66, -28),
            (58, 8, 191, 763, 1200, -100, 399, -97, 736, -1200, -158, 179),
        ),
    ),
    "lancer_sturdy": Fit(
        "fffffbffffffffffjcedfcfcffffjffffafffcaceeeeeeeddefffcfcfccceeeeeeeddeffggjjiigggg",
        (
            (-13, 9, 58, 6, 20, -21, 3, 183, -11, -16, -11, -11),
            (-78, 0, 70, 91, 24, 102, -39, 495, -10, -240, -67, -28),
            (21, 4, 476, 568, 1135, -50, 327, -70, 575, -1200, -142, 139),
        ),
    ),
    "lancer_broad": Fit(
        "faffbffffffeffffjcfdfcfcffffjffcfcfffccaeeeeeedddeffffccfccceeeeeedddeffggjjiigggg",
        (
            (-14, 9, 58, 8, 20, -17, 1, 179, -10, -13, -11, -11),
            (-91, 0, 60, 99, 25, 101, -40, 475, -16, -220, -67, -27),
            (-4, -49, 709, 732, 1200, -67, 186, -128, 542, -1200, -145, 174),
        ),
    ),
    "horseman_lean": Fit(
        "ffffbbaacchchhhccdccccechhhhcfcccaccccaaeeeeeedeeecccccccaeeeeeeeeeeeeffffhhhhhh",
        (
            (6, 5, 57, 2, 21, 45, 0, 99, 0, -8, -23, -13),
            (111, 0, 143, 60, 19, 45, 0, 221, 0, -277, -93, -31),
            (-484, -104, 65, 234, 1200, 158, 0, 106, 0, -1200, -120, 94),
        ),
    ),
    "horseman_sturdy": Fit(
        "ffffbbaacchchhhccdccccechhhhcfccccccccaaeeeeeedeeecacccccaeeeeeeeeeeeeffffhhhhhh",
        (
            (5, 4, 65, 1, 21, 45, 0, 95, 0, -4, -23, -12),
            (109, 0, 142, 61, 20, 45, 0, 205, 0, -263, -91, -30),
            (-485, -120, 87, 241, 1200, 155, 0, 177, 0, -1200, -124, 93),
        ),
    ),
    "horseman_broad": Fit(
        "ffffbbaacchchhhccccccdecahhhcfcccccccecceeeeeedeeecccccccaeaeeeeeeeeeeffffhhhhhh",
        (
            (1, 3, 70, -1, 22, 45, 0, 86, 0, 5, -23, -10),
            (107, 0, 141, 61, 22, 45, 0, 181, 0, -242, -90, -29),
            (-497, -178, 6, 663, 1200, 184, 0, 285, 0, -1200, -128, 115),
        ),
    ),
}
