# SPDX-License-Identifier: Apache-2.0
"""
Attacks that run twice: on the real build, where they must fail, and on the weakened one
(src/base/weak.h), where they must succeed, so that the test is known to be able to fail.

    @pytest.mark.weakened_by("A4")          # the holes that the weakened run opens
    def test_a4_...(attack):
        result = attack.runtime.run(...)    # the attempt
        attack.refused(result, "maskedPaths")        # only the real run: how it was refused
        attack.judge(what_was_reached)      # real: nothing; weakened: something

"""

import pathlib
import shutil

import bundles


class Judge:
    """What an attempt reached, on one of the two builds."""

    def __init__(self, weakened):
        self.weakened = weakened
        self.judged = False

    def judge(self, reached):
        """`reached` is the attack's evidence of its success: empty, None or False where it failed."""
        self.judged = True
        if self.weakened:
            assert reached, "the attack fails on the weakened build too: this test proves nothing"
        else:
            assert not reached, f"the attack succeeds: {reached}"


class Attack(Judge):
    """An attempt on the runtime by its command line."""

    def __init__(self, runtime, weakened, attacker):
        super().__init__(weakened)
        self.runtime = runtime
        self.attacker = attacker
        shutil.copy(attacker, runtime.rootfs / "attacker")

    def refused(self, result, *words):
        """The real build says no, and names the reason."""
        if not self.weakened:
            assert result.returncode != 0, "was not refused"
            for word in words:
                assert word in result.stderr, result.stderr


class EngineAttack(Judge):
    """An attempt on an engine, which lives longer than this."""

    def __init__(self, daemon, weakened):
        super().__init__(weakened)
        self.daemon = daemon


def drop_mounts(runtime, *kept):
    """Leaves only these of the configuration's mounts."""
    runtime.config["mounts"] = [mount for mount in runtime.config["mounts"] if mount["destination"] in kept]


def drop_namespace(runtime, kind):
    linux = runtime.config["linux"]
    linux["namespaces"] = [space for space in linux["namespaces"] if space["type"] != kind]


def make(prefix, program, attacker, folder, weakened):
    runtime = bundles.Runtime(prefix, folder)
    if weakened:
        runtime.program = pathlib.Path(program)
    return Attack(runtime, weakened, attacker)
