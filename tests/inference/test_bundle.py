"""bundle.yaml: what it says, and every mistake in it with its line and column. The library and the licence policy."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import pytest
from support.weights import make_bundle

from composer.errors import InputError, InputErrors
from composer.inference.bundle import Bundle, Licence, load_bundle
from composer.inference.kinds import KINDS, USUAL
from composer.inference.library import find_bundle, home_for_new, list_bundles, models_roots
from composer.inference.policy import Policy
from composer.inference.request import CONDITIONS

ZERO = "0" * 64
GOOD = f"""\
muster_bundle: 1
bundle: tiny
family: sd15
licence: {{id: openrail, commercial: true, text: LICENSE.txt}}
trained_on: pictures of meadows
conditions: [depth, pose, mask, text]
native_px: [512, 768]
steps: {{preview: 2, draft: 8, final: 30}}
guidance: 6
memory_bytes: 4000000000
options: {{prediction: epsilon, clip_skip: 2, shift: 1.5, tiling: false}}
sources:
  base:
    repository: somebody/some-model
    revision: "{"a1" * 20}"
    files:
      unet/config.json: "{ZERO}"
      vae/config.json: "{ZERO}"
      text_encoder/config.json: "{ZERO}"
      tokenizer/vocab.json: "{ZERO}"
      scheduler/scheduler_config.json: "{ZERO}"
  union:
    path: ../elsewhere
    files: {{config.json: "{ZERO}"}}
controls: {{depth: union, pose: union}}
"""


def write(folder: Path, text: str = GOOD) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bundle.yaml").write_text(text)
    return folder


def test_what_it_says(tmp_path: Path) -> None:
    bundle = load_bundle(write(tmp_path / "tiny"))
    assert (bundle.name, bundle.family, bundle.native_px, bundle.guidance) == ("tiny", "sd15", (512, 768), 6.0)
    assert bundle.licence == Licence("openrail", "openrail", True, tmp_path / "tiny/LICENSE.txt")
    assert bundle.steps == {"preview": 2, "draft": 8, "final": 30} and bundle.memory_bytes == 4_000_000_000
    assert bundle.components["unet"] == tmp_path / "tiny/weights/base/unet"
    assert bundle.controls == {"depth": tmp_path / "tiny/../elsewhere", "pose": tmp_path / "tiny/../elsewhere"}
    assert bundle.path_of("union/config.json") == tmp_path / "tiny/../elsewhere/config.json"
    assert bundle.options == {"prediction": "epsilon", "clip_skip": 2, "shift": 1.5, "tiling": False}
    assert type(bundle.options["clip_skip"]) is int and type(bundle.options["tiling"]) is bool
    assert bundle.sources["base"].revision == "a1" * 20
    assert load_bundle(tmp_path / "tiny/bundle.yaml") == bundle == pickle.loads(pickle.dumps(bundle))


def test_its_digest_is_that_of_what_makes_the_picture(tmp_path: Path) -> None:
    first = load_bundle(write(tmp_path / "a")).sha256
    assert len(first) == 64
    for old, new in (("pictures of meadows", "more"), ("bundle: tiny", "bundle: other"), ("final: 30", "final: 31")):
        assert load_bundle(write(tmp_path / "b", GOOD.replace(old, new))).sha256 == first, (
            "an entry that paints nothing"
        )
    for old, new in (
        (ZERO, "1" * 64),
        ("clip_skip: 2", "clip_skip: 1"),
        ("{depth: union, pose: union}", "{depth: union}"),
    ):
        assert load_bundle(write(tmp_path / "b", GOOD.replace(old, new, 1))).sha256 != first


def test_a_part_may_lie_elsewhere(tmp_path: Path) -> None:
    parts = "{unet: base/unet, vae: union, text_encoder: base/text_encoder, tokenizer: base/tokenizer, scheduler: base/scheduler}"
    bundle = load_bundle(write(tmp_path, GOOD + f"components: {parts}\n"))
    assert bundle.components["vae"] == tmp_path / "../elsewhere"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("family: sd15", "family: sd3", 3, "levy, depth-anything, sam2, got sd3"),
        ("family: sd15", "family: [sd15]", 3, "unknown family"),
        ("muster_bundle: 1", "muster_bundle: 2", 1, "muster_bundle"),
        ("guidance: 6", "gudance: 6", 9, "guidance"),
        ("guidance: 6", "guidance: six", 9, "a number"),
        ("[512, 768]", "[512]", 7, "too few values"),
        ("[512, 768]", "[512, 7]", 7, "native_px"),
        ("final: 30", "final: 0", 8, "final"),
        (", draft: 8", "", 8, "steps.draft: missing"),
        ("[depth, pose, mask, text]", "[depth, pose, smell]", 6, "unknown condition"),
        ("[depth, pose, mask, text]", "[depth, depth, pose]", 6, "stands twice"),
        ("[depth, pose, mask, text]", "[depth, text]", 25, "pose in conditions"),
        ("commercial: true", "commercial: perhaps", 4, "true or false"),
        (', commercial: true', "", 4, "licence.commercial: missing"),
        (f'"{"a1" * 20}"', "main", 15, "not a pinned revision"),
        ("somebody/some-model", "../../etc", 14, "not a hub repository"),
        (f'    revision: "{"a1" * 20}"\n', "", 13, "pinned revision"),
        ("vae/config.json", "../vae/config.json", 18, "not a path inside the folder"),
        ("vae/config.json", "/etc/passwd", 18, "not a path inside the folder"),
        ("vae/config.json", "vae//config.json", 18, "not a path inside the folder"),
        ("vae/config.json", "vae/.hidden", 18, "not a path inside the folder"),
        ("vae/config.json", '"vae\\\\config.json"', 18, "not a path inside the folder"),
        ("vae/config.json", "unet/config.json", 18, "given twice"),
        (f'vae/config.json: "{ZERO}"', f'vae/config.json: "{ZERO[:-1]}"', 18, "not a SHA-256"),
        (f'vae/config.json: "{ZERO}"', f'vae/other.json: "{"G" * 64}"', 18, "not a SHA-256"),
        ("vae/config.json", "vea/config.json", 12, "sd15 needs vae"),
        ("{depth: union, pose: union}", "{depth: unoin}", 25, "no file is listed there"),
        ("  base:", "  bose:", 12, "source called base is missing"),
        ("trained_on: pictures of meadows", "trained_on: &a x", 5, "anchor"),
        ("trained_on: pictures of meadows", "trained_on: !!python/object/apply:os.system [id]", 5, "tag"),
    ],
)  # fmt: skip
def test_mistakes_have_a_place(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    assert old in GOOD
    file = write(tmp_path, GOOD.replace(old, new, 1)) / "bundle.yaml"
    with pytest.raises(InputErrors) as caught:
        load_bundle(tmp_path)
    lines = caught.value.line().splitlines()
    assert any(told.startswith(f"{file}:{line}:") and said in told for told in lines), lines


def test_a_family_without_controlnets(tmp_path: Path) -> None:
    text = GOOD.replace("family: sd15", "family: wan-vace").replace("unet/", "transformer/")
    with pytest.raises(InputErrors, match="takes no ControlNets"):
        load_bundle(write(tmp_path, text))


def test_every_kind_is_usual_and_its_conditions_known() -> None:
    assert set(KINDS) == set(USUAL)
    for family, kind in KINDS.items():
        assert set(kind.needs) <= set(kind.classes) and set(USUAL[family].conditions) <= set(CONDITIONS)


# --- the library ---


def test_found_by_name_folder_and_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_bundle(tmp_path, name="soldiers")
    roots = tmp_path / "models"
    monkeypatch.delenv("MUSTER_MODELS", raising=False)
    with pytest.raises(InputError, match="no such bundle"):
        find_bundle("soldiers")
    assert find_bundle("soldiers", roots) == made == find_bundle(roots / "soldiers")
    monkeypatch.setenv("MUSTER_MODELS", f"{tmp_path / 'none'}:{roots}")
    assert find_bundle("soldiers") == made and home_for_new() == tmp_path / "none"
    assert models_roots(Path("/given"))[0] == Path("/given")
    with pytest.raises(InputError, match="did you mean soldiers"):
        find_bundle("soldier")
    with pytest.raises(InputError):
        find_bundle("../models/nobody")


def test_the_list_tells_broken_ones_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_bundle(tmp_path, name="whole")
    write(tmp_path / "models/broken", GOOD.replace("sd15", "sd99"))
    write(tmp_path / "models/empty")
    found = {listed.name: listed for listed in list_bundles(tmp_path / "models")}
    assert set(found) >= {"whole", "broken", "empty"}
    assert found["whole"].missing == 0 and found["empty"].missing == 6
    assert found["broken"].bundle is None and "unknown family" in found["broken"].error


def test_content_folders_hold_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_bundle(tmp_path, name="inside")
    monkeypatch.delenv("MUSTER_MODELS", raising=False)
    monkeypatch.setenv("MUSTER_CONTENT", str(tmp_path))
    assert find_bundle("inside").folder == tmp_path / "models/inside" and home_for_new() == tmp_path / "models"


# --- the policy ---


def licensed(bundle: Bundle, name: str, commercial: bool = True) -> Bundle:
    return dataclasses.replace(bundle, licence=Licence(name, name, commercial))


def test_the_policy_that_comes_with_it(tmp_path: Path) -> None:
    policy, bundle = Policy.load(), load_bundle(write(tmp_path))
    for free in ("apache-2.0", "Apache-2.0", "openrail++", "creativeml-openrail-m", "studio"):
        assert policy.refuse(licensed(bundle, free), "final") is None
    assert "allows no commercial use" in policy.refuse(licensed(bundle, "apache-2.0", False), "final")
    for held in ("cc-by-nc-4.0", "flux-1-dev-non-commercial-license", "unknown", "never-heard-of"):
        why = policy.refuse(licensed(bundle, held), "final")
        assert "tiny is not cleared for final" in why and "draft at most" in why and "\n" not in why
        assert policy.refuse(licensed(bundle, held), "draft") is None
    assert "licence is unknown" in policy.refuse(licensed(bundle, "unknown", False), "final")
    with pytest.raises(InputError, match="unknown quality"):
        policy.refuse(bundle, "best")


def test_the_studio_s_own_word_goes_first(tmp_path: Path) -> None:
    bundle = load_bundle(write(tmp_path))
    file = tmp_path / "licences.yaml"
    head = "muster_licences: 1\notherwise: preview\nlicences: {openrail: final}\n"

    def policy(word: str) -> Policy:
        file.write_text(head + f"bundles:\n  tiny: {word}\n")
        return Policy.load(file)

    no = policy('{may: none, because: "disputed"}')
    assert "disputed" in no.refuse(bundle, "preview") and "may render nothing" in no.refuse(bundle, "preview")
    yes = policy('{may: final, because: "legal 7"}')
    assert yes.refuse(licensed(bundle, "unknown", False), "final") is None
    tied = policy(f'{{may: final, because: "legal 7", sha256: "{bundle.sha256}"}}')
    assert tied.refuse(licensed(bundle, "unknown"), "final") is None
    other = dataclasses.replace(licensed(bundle, "unknown"), sha256="f" * 64)
    assert tied.refuse(other, "draft") is not None, "another bundle that took the name"
    with pytest.raises(InputErrors, match=r"licences\.yaml:5:"):
        policy("{may: everything, because: x}")
