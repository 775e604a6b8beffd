"""Image, compose file, systemd unit and scripts, as far as they can be judged without Docker and without being installed."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import textwrap
import unittest

import yaml

import settings

ROOT = pathlib.Path(__file__).parents[2]
DEPLOY = ROOT / "examples/deploy"
ROLES = {"proxy", "gateway", "processor", "origin", "api"}


class Image(unittest.TestCase):
    def setUp(self):
        lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
        self.steps = [line.split(None, 1) for line in lines if line.strip() and not line.startswith("#")]

    def all(self, instruction):
        return [rest for name, rest in self.steps if name == instruction]

    def test_what_is_copied_is_there(self):
        ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
        for rest in self.all("COPY"):
            words = [word for word in rest.split() if not word.startswith("--")]
            if "--from=build" not in rest:
                for source in words[:-1]:
                    self.assertTrue((ROOT / source).exists(), source)
                    self.assertNotIn(source.rstrip("/"), ignored)

    def test_every_program_is_built_and_copied(self):
        """What a role starts is among what cargo builds and what the image takes over."""
        programs = {path.stem for path in (ROOT / "examples/src/bin").glob("*.rs")}
        (build,) = (run for run in self.all("RUN") if "cargo build" in run)
        taken = {name for name in re.findall(r"target/release/([a-z-]+)", build)}
        self.assertEqual(taken, {"lsv"} | {f"lsv-{role}" for role in ROLES})
        self.assertLessEqual(programs, taken)

    def test_it_runs_as_nobody_of_weight_and_tells_its_health(self):
        self.assertRegex(self.all("USER")[-1], r"^[1-9]\d*:[1-9]\d*$")
        self.assertEqual(self.all("HEALTHCHECK")[0].split("CMD ")[1], '["lsv-health"]')
        # The exec form: signals reach tini, and through it the program.
        self.assertTrue(self.all("ENTRYPOINT")[0].startswith('["/usr/bin/tini", "--", "lsv-role"'))
        self.assertEqual(self.all("ADD"), [])
        for base in self.all("FROM"):
            self.assertNotIn("latest", base)

    def test_the_compiler_is_new_enough(self):
        wanted = re.search(r'rust-version = "([\d.]+)"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"))[1]
        built = next(rest for rest in self.all("ARG") if rest.startswith("RUST="))[5:]
        self.assertGreaterEqual(tuple(map(int, built.split("."))), tuple(map(int, wanted.split("."))))


class Role(unittest.TestCase):
    """The image's own scripts, run with programs that tell how they were called."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for name in ["lsv", "curl", *(f"lsv-{role}" for role in ROLES)]:
            program = self.folder / name
            program.write_text('#!/bin/sh\necho "${0##*/} $*|${PLAYBACK_PUBLIC_KEY-none}"\nexit "${CODE:-0}"\n', encoding="utf-8")
            program.chmod(0o755)

    def run_script(self, script, *arguments, **variables):
        environment = {"PATH": f"{self.folder}:{os.environ['PATH']}", "LSV_DATA": str(self.folder)} | variables
        command = ["sh", str(DEPLOY / "image" / script), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    def test_the_argument_is_the_role(self):
        for role in sorted(ROLES):
            self.assertEqual(self.run_script("lsv-role", role, "--http", "a b").stdout, f"lsv-{role} --http a b|none\n")
        for arguments in [[], ["all"]]:
            self.assertEqual(self.run_script("lsv-role", *arguments).stdout, "lsv |none\n")
        self.assertEqual(self.run_script("lsv-role", "--demo").stdout, "lsv --demo|none\n")

    def test_what_is_no_role_is_refused(self):
        for wrong in ["sh", "lsv-gateway", "", "gateway "]:
            done = self.run_script("lsv-role", wrong)
            self.assertEqual((done.returncode, done.stdout), (64, "") if wrong else (0, "lsv |none\n"))

    def test_temporary_files_lie_where_writing_is_allowed(self):
        """The root of a container is read-only but for its data folder: pictures of watermarks are put there."""
        program = self.folder / "lsv-processor"
        program.write_text('#!/bin/sh\nmktemp && echo "$TMPDIR"\n', encoding="utf-8")
        for data in [self.folder / "data", self.folder / "not there yet"]:
            file, folder = self.run_script("lsv-role", "processor", LSV_DATA=str(data)).stdout.splitlines()
            self.assertEqual(folder, f"{data}/tmp")
            self.assertEqual(pathlib.Path(file).parent, data / "tmp")
        given = self.folder / "given"
        self.assertIn(str(given), self.run_script("lsv-role", "processor", TMPDIR=str(given)).stdout)
        # What cannot be written to is said at the start, by all but the proxy, which has no data folder.
        refused = {"LSV_DATA": "/proc/self/none"}
        self.assertEqual(self.run_script("lsv-role", "proxy", **refused).stdout, "lsv-proxy |none\n")
        done = self.run_script("lsv-role", "gateway", **refused)
        self.assertEqual(done.stdout, "")
        self.assertIn("/proc/self/none", done.stderr)

    def test_a_public_key_becomes_a_file(self):
        done = self.run_script("lsv-role", "gateway", PLAYBACK_PUBLIC_KEY="-----BEGIN\nline\nEND-----")
        self.assertEqual(done.stdout, "lsv-gateway |none\n")
        self.assertEqual((self.folder / "playback.pem").read_text(encoding="utf-8"), "-----BEGIN\nline\nEND-----\n")

    def test_the_exit_code_is_the_programs(self):
        self.assertEqual(self.run_script("lsv-role", "origin", CODE="1").returncode, 1)
        self.assertEqual(self.run_script("lsv-health", CODE="22").returncode, 22)
        self.assertIn("http://127.0.0.1:8080/healthz", self.run_script("lsv-health").stdout)


class Compose(unittest.TestCase):
    def setUp(self):
        self.file = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
        self.services = self.file["services"]

    def test_it_is_the_platform(self):
        expected = ["api", "gateway-1", "gateway-2", "origin-1", "origin-2", "processor", "proxy"]
        self.assertEqual(sorted(self.services), expected)
        for name, service in self.services.items():
            self.assertEqual(service["command"], [name.rstrip("-12")])
            self.assertEqual(service["hostname"], name)
            self.assertTrue(service["read_only"])
            self.assertEqual(service["cap_drop"], ["ALL"])
            # What is written to is a volume or memory.
            kept = [mount.split(":")[1] for mount in service.get("volumes", [])]
            kept += [mount.split(":")[0] for mount in service.get("tmpfs", [])]
            self.assertEqual(kept, [] if name == "proxy" else ["/data"])

    def test_what_is_named_is_there(self):
        for service in self.services.values():
            self.assertLessEqual(set(service["networks"]), set(self.file["networks"]))
            self.assertLessEqual(set(service.get("depends_on", [])), set(self.services))
            named = {mount.split(":")[0] for mount in service.get("volumes", [])}
            self.assertLessEqual(named, set(self.file["volumes"]))
        addresses = re.findall(r"(?:http://|rtmp://|[=,: ])([a-z]+(?:-\d)?):(?:8080|1935)", str(self.services))
        self.assertLessEqual({"api", "gateway-1", "gateway-2", "processor"}, set(addresses))
        self.assertLessEqual(set(addresses) - set(self.services), set())

    def test_gateways_tell_encoders_from_nodes(self):
        """The proxy, which tells where encoders are, comes from a network of its own; whoever pulls does not."""
        (outside,) = self.file["networks"]["outside"]["ipam"]["config"]
        for name, service in self.services.items():
            if name.startswith("gateway"):
                self.assertEqual(service["environment"]["LSV_PROXY_PROTOCOL"], outside["subnet"])
                self.assertEqual(set(service["networks"]), {"outside", "inside"})
            else:
                self.assertEqual(service["networks"], ["outside" if name == "proxy" else "inside"])

    def test_no_secret_has_a_default(self):
        for name in ["SECRET", "PLAYBACK_SECRET", "API_TOKEN", "NODE_TOKEN"]:
            self.assertRegex(self.services["api"]["environment"][f"LSV_{name}"], rf"^\$\{{LSV_{name}:\?")

    def test_the_world_reaches_encoders_and_viewers_ports_alone(self):
        published = {port for service in self.services.values() for port in service.get("ports", [])}
        self.assertEqual(published, {"1935:1935", "8080:8080", "8081:8080", "127.0.0.1:8090:8080"})

    def test_settings_have_names_that_programs_read(self):
        for service in self.services.values():
            self.assertEqual(set(service["environment"]) - settings.known(), set())


class Unit(unittest.TestCase):
    TOOL = shutil.which("systemd-analyze")

    def analyze(self, *arguments, **changes):
        unit = (DEPLOY / "lsv.service").read_text(encoding="utf-8").replace("/usr/local/bin/lsv ", "/bin/true ")
        for old, new in changes.items():
            unit = re.sub(rf"(?m)^{old}=.*$", new, unit)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "lsv.service")
            path.write_text(unit, encoding="utf-8")
            return subprocess.run([self.TOOL, *arguments, str(path)], capture_output=True, text=True, check=False)

    @unittest.skipUnless(TOOL, "systemd-analyze is not here")
    def test_systemd_understands_it(self):
        done = self.analyze("verify")
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
        self.assertIn("Unknown key", self.analyze("verify", UMask="Umask=0077").stderr)

    @unittest.skipUnless(TOOL, "systemd-analyze is not here")
    def test_it_exposes_little(self):
        limit = ["security", "--offline=true", "--threshold=20", "--no-pager"]
        self.assertEqual(self.analyze(*limit).returncode, 0)
        self.assertNotEqual(self.analyze(*limit, NoNewPrivileges="", CapabilityBoundingSet="").returncode, 0)

    def test_lsv_has_time_to_stop(self):
        unit = (DEPLOY / "lsv.service").read_text(encoding="utf-8")
        self.assertGreater(int(re.search(r"TimeoutStopSec=(\d+)", unit)[1]), 30)


class Certificates(unittest.TestCase):
    """HTTPS as single-machine.md has it made: its commands, in a folder instead of /etc."""

    def setUp(self):
        guide = (DEPLOY / "single-machine.md").read_text(encoding="utf-8")
        self.steps = guide[guide.index("## HTTPS") :]
        (self.hook,) = re.findall(r"```sh\n(\s*install .*?)```", self.steps, re.DOTALL)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def shell(self, text, **variables):
        text = text.replace("/etc/lsv", str(self.folder)).replace("-g lsv", f"-g {os.getgid()}")
        return subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False, env=os.environ | variables)

    def test_certbot_finds_hook_and_folder(self):
        """It refuses a hook that is not there, and cannot have port 80."""
        (command,) = re.findall(r"certbot certonly .*", self.steps)
        self.assertNotIn("--standalone", command)
        (hook,) = re.findall(r"--deploy-hook (\S+)", command)
        self.assertIn(hook, self.hook)
        self.assertLess(self.steps.index(self.hook), self.steps.index(command))
        (webroot,) = re.findall(r"--webroot-path (\S+)", command)
        self.assertIn(f'acme-webroot = "{webroot}"', (DEPLOY / "single-machine.md").read_text(encoding="utf-8"))

    def test_the_hook_brings_each_new_certificate(self):
        self.assertEqual(self.shell(textwrap.dedent(self.hook)).returncode, 0)
        hook, lineage = self.folder / "renewed", self.folder / "live.example.com"
        self.assertTrue(os.access(hook, os.X_OK))
        lineage.mkdir()
        make = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=live.example.com -keyout privkey.pem -out fullchain.pem"
        for _ in range(2):
            subprocess.run(make.split(), cwd=lineage, check=True, capture_output=True)
            done = self.shell(str(hook), RENEWED_LINEAGE=str(lineage))
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            for made, kept in [("privkey.pem", "key.pem"), ("fullchain.pem", "cert.pem")]:
                self.assertEqual((self.folder / kept).read_bytes(), (lineage / made).read_bytes())
                self.assertEqual((self.folder / kept).stat().st_mode & 0o777, 0o640)
        (lineage / "privkey.pem").unlink()
        self.assertNotEqual(self.shell(str(hook), RENEWED_LINEAGE=str(lineage)).returncode, 0)


class Scripts(unittest.TestCase):
    def test_shells_understand_them(self):
        for shell, path in [("bash", "deploy"), ("sh", "image/lsv-role"), ("sh", "image/lsv-health")]:
            self.assertTrue(os.access(DEPLOY / path, os.X_OK), path)
            subprocess.run([shell, "-n", str(DEPLOY / path)], check=True)

    def test_flags_of_the_guides_are_those_of_programs(self):
        flags = {name.removeprefix("LSV_").removeprefix("PROXY_").lower().replace("_", "-") for name in settings.known()}
        named = set()
        for guide in DEPLOY.glob("*.md"):
            text = guide.read_text(encoding="utf-8")
            for command in re.findall(r"`(lsv(?:-[a-z]+)? --[^`]*)`", text):
                named.update(re.findall(r"--([a-z-]+)", command))
            for block in re.findall(r"(?:```toml|lsv\.toml <<'END')\n(.*?)(?:```|END)", text, re.DOTALL):
                named.update(re.findall(r"(?m)^ *([a-z-]+) =", block))
        self.assertLess({"store", "store-node", "proxy-protocol", "segments", "tls-cert", "acme-webroot"}, named)
        self.assertEqual(named - flags, set())

    def test_links_of_the_guides_lead_somewhere(self):
        guides = sorted(DEPLOY.glob("*.md"))
        self.assertNotEqual(guides, [])
        for guide in guides:
            for link in re.findall(r"\]\(([^)#]+)", guide.read_text(encoding="utf-8")):
                if "://" not in link:
                    self.assertTrue((guide.parent / link).exists(), f"{guide.name}: {link}")


if __name__ == "__main__":
    unittest.main()
