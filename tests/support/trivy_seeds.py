"""Seeds of trivy, each with a small database that it reads offline."""

import json
from typing import Any

from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import NodeProject, PythonProject
from forge_dagster.tools.analysis.trivy import DATABASE_VARIABLE
from tests.support.sca_seeds import PACKAGE, npm_lock
from tests.support.seeds import Seed

FAILED, PASSED, ERRORED = Outcome.FAILED, Outcome.PASSED, Outcome.ERRORED

TRIVY_DB = (
    "c-rmV&ui0Q7{Kwa>!wb{ojuinUTpenIHVw2tgM46y3HQc9n$1&`$F5)B<(Dt=%3=vt2Y(@4-ewOe_$Zq1>ZDj*VVOk;AD*NhrP+(<axU{Z(#5|"
    "BwHjBh=u$8ub1|t{x{1(e=%~{xp03z+(*Ox_Ya@GR6pKsL;wH)006+LGdCmupC5~lj>QkgUnzE<T)nk%gB1k;0002s^cm#y%Pa)|00000XV&~!"
    "9RL6T0001-J+Wc_A3VwLZ~bQh{P+9csa6*iPj4C4r18<=8vwz$CDr^t0&u_dK+mSLt9oWnD~YCMJL?5k%RSfDid%WzQ1r5*n~JuR&`RxkQ#eMs"
    "E=t02rQPfYzi6k^D`qCSl1%$Sj}6bP32QW>e=ZTvCez7`w$tN=0ssI20C0qb3Hkp8)!wQmo6@wK6<Iw_0iZHk0LUIy0I(EYD0)SiT>!}V+5Ln9"
    "K!(g800000faw;8X?$#$|KC&XqH1sEg8pZ<xfZ7Pe*fE8|CicaR{PaxBw`t!p}Th5F~#JH!NJQ0@ksDdufzWPk$$t)$mQ0gS8SK#Tf%HR((A_a"
    "R!6$F(~YaMd)j(I%W2h`YiJ4Wk<k#UH*J85db+uxf@+@Ea&xIvReH5{IceIBlo7;9;og1O7Ebq$*KLXGD|ttBq}UbKO<~$@*Y!k09rQn|*OIL%"
    "^HXP!H$OGtpUuzztlrG^i;dlwnHRJ$HlP#MY-C+U{_XAd3q(J{{?c5~{~0;_#K^Yv>i%No<CVIx8@DU*!E-2Ti3-9s9oh1v-JBG%B|5^Ny*gi9"
    "Un{C3K?&;M_+D^Zax1-rwkayY5lvI{3rd5v7q5&)t1gnZQ%xPrtzU&|m+R8439Ddu{w#wt89klZ&ZKi`|Ld9hksF5VJ+v)Zk<%l4qouMxuY6d6"
    "n{w%+F(-EI*^{_-eggvl0095b;Q#q8hgsSnSDR;P000000000000000000000000000000000000000000000000000000000000000000B6W="
    "=7*8K"
)
"""trivy's database with one flaw of left-pad before 1.3.0 and one of iniconfig before 1.1.1: zlib, base 85. How it was made:
tests/golden/trivy/README.md.
"""
TRIVY_DATABASE = """import base64
import json
import os
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

place = Path("database/trivy/db")
if ANSWERS:
    place.mkdir(parents=True, exist_ok=True)
    (place / "trivy.db").write_bytes(zlib.decompress(base64.b85decode("CONTENT")))
    told = {"Version": 2, "UpdatedAt": "2026-11-01T10:00:00Z", "NextUpdate": "2076-11-01T10:00:00Z"}
    (place / "metadata.json").write_text(json.dumps({**told, "DownloadedAt": "2026-11-01T10:00:00Z"}))
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), BaseHTTPRequestHandler).serve_forever()
""".replace("CONTENT", TRIVY_DB)


def _trivy(case: str, outcome: Outcome, version: str = "1.3.0", *, answers: bool = True, lock: str = "", **rest: Any) -> Seed:
    """`database.py` writes the database that trivy reads; its port only tells that it has. `lock`: its text, if another."""
    more = rest.pop("more", {})
    npm = NodeProject(manager="npm", package=PACKAGE, lock_file="package-lock.json", dependencies=frozenset({"left-pad"}))
    project: dict[str, Any] = {"node": npm} if "python" not in rest else {}
    mine = {"package.json": json.dumps(PACKAGE, indent=2) + "\n", "package-lock.json": lock or npm_lock(version)}
    return Seed(
        tool="trivy",
        case=case,
        files={
            **(mine if project else {"requirements.txt": f"iniconfig=={version}\nleft==1.0\n"}),
            "database.py": TRIVY_DATABASE.replace("ANSWERS", str(answers)),
            **more,
        },
        outcome=outcome,
        serve=("python3", "database.py"),
        told_in="DATABASE_IS_WRITTEN",
        variables={DATABASE_VARIABLE: "database"},
        **project,
        **rest,
    )


_PIP = PythonProject(manager="pip", requirement_files=("requirements.txt",), dependencies=frozenset({"iniconfig", "left"}))
_UNSEEN = {"trivy.yaml": "scan:\n  skip-files:\n    - package-lock.json\n"}
SEEDS = (
    _trivy("fault", FAILED, "1.1.0", findings=(("package-lock.json", None, "GHSA-aaaa-bbbb-cccc"),)),
    _trivy("clean", PASSED),
    _trivy(
        "fault-of-python",
        FAILED,
        "1.1.0",
        python=_PIP,
        examined=2,
        findings=(("requirements.txt", None, "GHSA-dddd-eeee-ffff"),),
    ),
    _trivy("no-database", ERRORED, answers=False, examined=0),
    _trivy("lock-not-seen", ERRORED, examined=0, more=_UNSEEN),
    _trivy("broken-lock", ERRORED, examined=0, lock='{"lockfileVersion": 3, "packages": {'),
)
