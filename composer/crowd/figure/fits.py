"""How the coarse levels of the built-in figures are bent; found by `python -m benchmarks.levels --fit`."""

from __future__ import annotations

from composer.crowd.figure.levels import Fit

#: By figure. See `levels.Fit`.
FITS: dict[str, Fit] = {
    "spearman_lean": Fit(
        "fffffffffffffffffdfcfcfcffffjjfffafffcacgggegeddgefffcfffaccgggegegddeffggjjiigggg",
        (
            (33, 0, 30, -31, 28, -7, -13, 0, 17, 8, 0, 0),
            (66, 0, 7, -85, 93, 111, -71, 0, 190, 2, 0, 0),
            (262, 0, -158, 95, -74, 5, 65, 0, -596, -56, 0, 0),
        ),
    ),
    "spearman_sturdy": Fit(
        "ffffbffffffffffffdfcfcfcffffjjfffafffcaceedeeedddefffcfffccceeeeeedddeffggjjiigggg",
        (
            (7, 9, 27, -32, 1, -10, 8, 0, 9, 12, 0, 0),
            (-3, 0, 23, -45, 25, 84, -44, 0, -154, 167, 0, 0),
            (282, -47, -172, 77, 20, 8, 58, 0, -573, -19, 0, 0),
        ),
    ),
    "spearman_broad": Fit(
        "fafffbffffffffffcccdfffcffffdjfcfcfffccceeeeeedddefffcfcfcaceeeeeedddeffggjjiigggg",
        (
            (7, 10, 26, -30, 2, -6, 6, 0, 4, 11, 0, 0),
            (-9, 0, 12, -52, 37, 84, -50, 0, 67, 52, 0, 0),
            (198, 100, -125, 13, 17, -41, 64, 0, -390, 33, 0, 0),
        ),
    ),
    "swordsman_lean": Fit(
        "ffffffffccccfcfccecccdceffffeecccaccccaaeeeeeeeeeecccccccccceeeeeeeeeeffffjjiigggg",
        (
            (38, 0, 27, -48, 0, 30, 1, 0, -6, -6, 0, 0),
            (69, 0, 54, -93, 4, 40, -19, 0, -1, 72, 0, 0),
            (-118, 0, -65, -288, -150, -78, -82, 0, -48, -413, 0, 0),
        ),
    ),
    "swordsman_sturdy": Fit(
        "faffbffffcccfccccecccdceffffeecccccccacceeeeeeeeeecccccccccceeeeeeeeeeffffjjiigggg",
        (
            (4, 11, 27, -39, 2, 28, -4, 0, -8, -4, 0, 0),
            (-17, 0, 62, -65, 12, 25, -27, 0, -25, 114, 0, 0),
            (-443, -112, -18, -231, -118, -26, 126, 0, -312, -310, 0, 0),
        ),
    ),
    "swordsman_broad": Fit(
        "fffffbffccccfccccecccdceffffefccccccceaaeeeeeeeeeecccccaceceeeeeeeeeeeefffjjiigggg",
        (
            (6, 5, 29, -35, 2, 25, 0, 0, -9, 29, 0, 0),
            (-33, 0, 79, -60, 15, 16, -22, 0, 194, -29, 0, 0),
            (-223, 15, -64, -108, -73, -51, -175, 0, -501, 2, 0, 0),
        ),
    ),
    "heavy_lean": Fit(
        "fajafffffffchceefhhhcceaeaeeeaaaaefefeaffeeeeeeaeaaaaefaeeaffeffggjjiigggghhhhhh",
        (
            (-21, 0, 25, 0, 29, 15, 0, -2, 13, 19, 0, 0),
            (-157, 0, -10, 0, 96, 37, -35, -31, 229, -47, 0, 0),
            (4, 0, -159, 0, 132, 89, -115, 56, -311, 315, 0, 0),
        ),
    ),
    "heavy_sturdy": Fit(
        "bfafffffffcahceefhhhcceaeaceeaaaaefefeffffeeeaeaeaaaaefefeaffeffggjjiigggghhhhhh",
        (
            (-27, 9, 27, 0, 33, 14, 2, 2, 21, 13, 0, 0),
            (-188, 0, -39, 0, 97, 34, -28, -42, -96, 130, 0, 0),
            (168, -79, -281, 0, 160, 49, 19, 185, -504, 237, 0, 0),
        ),
    ),
    "heavy_broad": Fit(
        "bjaaffffffffffffececeaccfefecceaeaeeeaaeaefefeaffeeceeeaeaaaaefefeaffeffggjjiigggg",
        (
            (-27, 19, 34, 0, 31, 12, 4, 0, 14, 16, 0, 0),
            (-213, 0, -21, 0, 104, 33, -23, 0, 24, 19, 0, 0),
            (109, 8, -287, 0, 99, 75, -132, 0, -378, 302, 0, 0),
        ),
    ),
    "levy_lean": Fit(
        "bbbbbbbbccccccccccccccccccacddcccacccaacgggeggdddeccccccccccgegeggdddeffggiiiigggg",
        (
            (21, -1, 38, -60, 52, -19, -3, 0, -6, 0, 0, 0),
            (-24, 150, 116, -88, 120, 0, -25, 0, 20, 0, 0, 0),
            (128, 61, -146, 362, 41, -15, 24, 0, -611, 0, 0, 0),
        ),
    ),
    "levy_sturdy": Fit(
        "hhhhhbhhcchccccccccccccchhhhddcccaccccaagggeggdddeccccccccccgegeggdddeffggjjiigggg",
        (
            (30, 11, 41, -51, 57, -19, -3, -2, 4, -17, 0, 0),
            (81, 0, 113, -66, 135, -5, -24, 22, 103, -70, 0, 0),
            (135, 7, -113, 329, 131, 121, -102, -8, -393, -236, 0, 0),
        ),
    ),
    "levy_broad": Fit(
        "eeeebbbbccccccccccccccccccacdccccacccaaadedededddecccccacaaadedddedddegfggiiiigggg",
        (
            (14, -37, 57, -21, 44, -17, 3, 0, -5, 0, 0, 0),
            (-65, 101, 82, -99, 76, 2, -15, 0, 22, 0, 0, 0),
            (234, 187, -137, 31, 63, 740, -373, 0, -289, 0, 0, 0),
        ),
    ),
    "archer_lean": Fit(
        "hhhhbhbbeeeeeeeeccccccccejaeddcccccccaaededededddecccccccaaededededddegggg",
        (
            (21, -62, 56, -1, -13, 0, -20, 27, 0, -15, 0, 0),
            (52, 21, 105, -53, -5, 0, -28, 48, 0, -32, 0, 0),
            (23, -2, -48, -6, -61, 0, -109, 40, 0, 103, 0, 0),
        ),
    ),
    "archer_sturdy": Fit(
        "eebebbbbeeeeeeeeccccccccejaaddcccccaceeededededddecccccccecededededddeggeg",
        (
            (-3, -73, 55, 10, -7, 0, -19, 0, 0, -16, 0, 0),
            (-24, 46, 110, -38, 6, 0, -27, 0, 0, -32, 0, 0),
            (8, -18, -36, 23, -39, 0, 13, 0, 0, 0, 0, 0),
        ),
    ),
    "archer_broad": Fit(
        "hhhhhbhheeeeeeeeccccccccjhhhddcccccccaaadedededddecccccacacedddededddegggg",
        (
            (34, 4, 66, 6, -16, 0, -20, -21, 0, -13, 0, 0),
            (154, 0, 124, -18, -6, 0, -24, 6, 0, -28, 0, 0),
            (-17, 129, -5, 11, -2, 0, -79, 82, 0, -468, 0, 0),
        ),
    ),
    "officer_lean": Fit(
        "jaajffffffhfhhhfjcedeceehhhhjjeaeaeeeaaaeeeeeedddeeeeaeaeaaaeeeededddeffffhhhhhh",
        (
            (60, 0, 91, -8, 25, 23, 0, 62, 0, 33, 0, 0),
            (63, 0, -26, -18, 20, 34, 0, -33, 0, 148, 0, 0),
            (-64, 0, -138, -25, -84, -8, 0, 82, 0, -79, 0, 0),
        ),
    ),
    "officer_sturdy": Fit(
        "bafjjfffffhfhhhfjccdefeehhhhjjeaeaeeeaaaeefefefffeeeeaeaeaaafffefefffeffffhhhhhh",
        (
            (46, 28, 92, -52, 22, 49, 0, 62, 0, 40, 0, 0),
            (34, 0, -25, -154, -9, 89, 0, -34, 0, 160, 0, 0),
            (-26, 81, -629, -190, 29, -14, 0, 93, 0, -26, 0, 0),
        ),
    ),
    "officer_broad": Fit(
        "jbfafffffehfhhhfjdccjfechhhhjjeaeaeeeaaaeeeeeeeeeeeeeaeaeaaeeeeeeeeeeeffffhhhhhh",
        (
            (42, 37, 97, 6, 31, 20, 0, 58, 0, 41, 0, 0),
            (5, 0, -15, 35, 26, 28, 0, -39, 0, 150, 0, 0),
            (-12, 67, -173, -489, -7, -12, 0, 55, 0, 101, 0, 0),
        ),
    ),
    "bannerman_lean": Fit(
        "hhhhhhhhfcfdhfffhhhhfffffafffaaaeeeeeeeeeefafafffaaceeeeeeeeeeijgigggghhhhhh",
        (
            (8, 0, 19, -22, -3, -1, -11, -3, -48, -117, 0, 0),
            (136, 0, 4, -28, 8, 221, -65, 6, -160, -334, 0, 0),
            (-11, 0, 314, 14, -144, -164, -339, 178, -361, -84, 0, 0),
        ),
    ),
    "bannerman_sturdy": Fit(
        "bhhhhhhhfcfdhfffhhhhfffcfafafaaaeeeeeedeeefffffcfaaceeeeeeddeeijgigggghhhhhh",
        (
            (-22, 12, 23, -17, -1, -1, -11, -4, -48, -116, 0, 0),
            (15, 0, 6, 11, 25, 211, -62, -8, -159, -333, 0, 0),
            (-106, -14, 474, 8, -133, -185, -345, 180, -420, 31, 0, 0),
        ),
    ),
    "bannerman_broad": Fit(
        "fhffhbhafcfdhfhfhhhhfffffafffcaaeeeeeeddeefffffffacceeeeeedddeijgigggghhhhhh",
        (
            (-20, 11, 21, -16, -3, 1, -11, -6, -48, -116, 0, 0),
            (1, 0, 10, 32, 32, 202, -62, -25, -159, -333, 0, 0),
            (-91, -5, 457, -130, -75, -147, -336, 208, -365, -91, 0, 0),
        ),
    ),
}
