# SPDX-License-Identifier: Apache-2.0
"""What people get wrong on their first day: they are told at once, and nothing comes to harm."""

import os
import signal
import subprocess

import pytest

from daemon import wait_for


def run(program, *words, **more):
    return subprocess.run([str(program), *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60, check=False, **more)


def refused(program, *words, said, status=1, **more):
    result = run(program, *words, **more)
    assert result.returncode == status, result.stdout + result.stderr
    assert said in result.stderr and result.stderr.count("\n") == 1, result.stderr


def first_words(program, folder, *words, enough):
    """Starts a server, and ends it once it has written `enough`; what it wrote."""
    with open(folder / "said", "w+", encoding="utf-8") as said:
        process = subprocess.Popen([program, *map(str, words)], stdin=subprocess.DEVNULL, stdout=said,
                                   stderr=said)

        def text():
            return (folder / "said").read_text()
        try:
            wait_for(f"'{enough}'", lambda: enough in text() or process.poll() is not None)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(30)
    assert enough in text(), text()
    return text()


# ---- the daemon ----

def test_a_second_daemon_on_the_same_exec_root_ends_and_harms_nothing(onggid, tmp_path):
    onggid.onggi("run", "-d", "--name", "kept", "--network", "none", "busybox:test", "sleep", "1000")
    refused(onggid.prefix / "sbin/onggid", "-H", f"unix://{tmp_path}/o.sock", "--data-root", tmp_path / "data",
            "--exec-root", onggid.exec_root, said=f"exec root '{onggid.exec_root}': another onggid has it")
    assert onggid.onggi("exec", "kept", "echo", "alive").stdout == "alive\n"
    onggid.onggi("rm", "-f", "kept")


def test_a_second_daemon_on_the_same_data_root_names_it(onggid, tmp_path):
    refused(onggid.prefix / "sbin/onggid", "-H", f"unix://{tmp_path}/o.sock", "--data-root", onggid.data_root,
            "--exec-root", tmp_path / "exec", said=f"data root '{onggid.data_root}'")


def test_a_socket_is_not_put_in_the_place_of_a_file(onggid, tmp_path):
    (tmp_path / "notes").write_text("dear")
    refused(onggid.prefix / "sbin/onggid", "-H", f"unix://{tmp_path}/notes", "--data-root", tmp_path / "data",
            "--exec-root", tmp_path / "exec", said="is there and no socket")
    assert (tmp_path / "notes").read_text() == "dear"


def test_a_log_level_that_there_is_not_is_refused(onggid, tmp_path):
    refused(onggid.prefix / "sbin/onggid", "-l", "loud", "--data-root", tmp_path / "data", said="'loud' is none of")


def test_a_daemon_says_where_it_listens_and_what_its_policy_lacks(onggid, tmp_path):
    program = onggid.prefix / "sbin/onggid"
    roots = ("--data-root", tmp_path / "data", "--exec-root", tmp_path / "exec")
    said = first_words(program, tmp_path, *roots, "--policy", tmp_path / "gone.yaml", enough="API listens on")
    assert f"API listens on unix://{tmp_path}/exec/onggi.sock" in said
    assert f"the policy cannot be read: open '{tmp_path}/gone.yaml'" in said
    (tmp_path / "policy.yaml").write_text(f"signers: {{a: {{keys: [{tmp_path}/gone.pub]}}}}\nrules: []\n")
    said = first_words(program, tmp_path, *roots, "--policy", tmp_path / "policy.yaml", enough="API listens on")
    assert "signer 'a': " in said and f"open '{tmp_path}/gone.pub'" in said
    result = run(onggid.prefix / "bin/onggi", "policy", "check", tmp_path / "policy.yaml")
    assert result.returncode == 1 and "gone.pub" in result.stderr


# ---- the command line ----

def test_who_may_not_use_the_socket_is_told_who_may(onggid):
    if os.geteuid() != 0:
        pytest.skip("root is needed to be somebody else")
    os.chmod(onggid.folder, 0o755)
    result = run(onggid.prefix / "bin/onggi", "-H", onggid.host, "images", user=65534, group=65534, extra_groups=[],
                 env={"PATH": os.environ["PATH"], "HOME": "/"})
    assert result.returncode == 1 and "only root may, and the group that" in result.stderr, result.stderr


def test_a_reference_that_ends_too_early_means_nothing(onggid):
    for word in ("busybox:", "busybox@"):
        result = onggid.onggi("pull", word, check=False)
        assert result.returncode == 1 and "invalid reference format" in result.stderr


def test_a_failed_pull_names_its_image_once_and_a_failed_load_its_file(onggid, tmp_path):
    result = onggid.onggi("pull", "127.0.0.1:1/nope:1", check=False)
    assert result.stderr.startswith("onggi: pull 127.0.0.1:1/nope:1: manifest: ")
    (tmp_path / "short.tar").write_text("no tar")
    assert f"'{tmp_path}/short.tar'" in onggid.onggi("load", "-i", tmp_path / "short.tar", check=False).stderr


# ---- the registry ----

@pytest.mark.parametrize("words", [("gc",), ("gc", "--dry-run"), ("scrub",), ("account", "list"),
                                   ("account", "remove", "alice")])
def test_a_misspelt_root_is_no_empty_registry(prefix, tmp_path, words):
    program = prefix / "sbin/onggi-registry"
    refused(program, *words, "--root", tmp_path / "gone", said=f"--root '{tmp_path}/gone'")
    assert not (tmp_path / "gone").exists()
    refused(program, *words, "--root", tmp_path, said="no registry is there")
    assert not os.listdir(tmp_path)


def test_a_registry_that_is_open_to_the_network_says_so(prefix, tmp_path):
    program = prefix / "sbin/onggi-registry"
    said = first_words(program, tmp_path, "serve", "--addr", ":0", "--root", tmp_path / "root", enough="anybody")
    assert f"serves '{tmp_path}/root' on :0" in said
    for options in (["--addr", "127.0.0.1:0"], ["--addr", ":0", "--config", tmp_path / "config"]):
        (tmp_path / "config").write_text("access: {}\n")
        said = first_words(program, tmp_path, "serve", *options, "--root", tmp_path / "root", enough="serves")
        assert "anybody" not in said


def test_a_registry_says_at_its_start_what_its_policy_lacks(prefix, tmp_path):
    (tmp_path / "config").write_text("policy: gone.yaml\nurl: https://registry.example.com\n")
    said = first_words(prefix / "sbin/onggi-registry", tmp_path, "serve", "--addr", "127.0.0.1:0", "--root",
                       tmp_path / "root", "--config", tmp_path / "config", enough="serves")
    assert "gone.yaml" in said and "No such file" in said


def test_a_full_disk_is_in_the_registrys_log(start_onggi_registry, small_disk):
    registry = start_onggi_registry(root=small_disk / "root")
    client = registry.client()
    answer = client.put(f"{client.begin('a')}?digest=sha256:{'0' * 64}", os.urandom(40 << 20),
                        {"Content-Type": "application/octet-stream"})
    assert answer.status == 507
    assert "No space left" in registry.log()
    registry.stop()
