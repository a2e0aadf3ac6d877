"""Checks what is deployed: Helm's lint and rendering, the schemas of Kubernetes and compose, and that names refer to something.

Must not know: a cluster; nothing is installed. Invariant: what could not be checked is listed, and a fault is an exit code.
Helm is its Go SDK from PyPI (the command `helm` too, where there is one); schemas are those that kubernetes-validate carries.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import database
import helm_python
import kubernetes_validate
import yaml

DEPLOY = pathlib.Path(__file__).resolve().parent
CHART = DEPLOY / "chart" / "touriga"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", DEPLOY.parent / "target"))
VERSIONS = ["1.25", "1.31", kubernetes_validate.latest_version()]
# Kinds of other people's controllers: no schema comes with Kubernetes.
FOREIGN = {"ScaledObject": {"scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval", "advanced", "triggers"}}


class Faults:
    def __init__(self):
        self.lines, self.done, self.left = [], 0, []

    def say(self, what, good, why=""):
        self.done += 1
        if not good:
            self.lines.append(f"{what}: {why}")


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document]


def name_of(document):
    return f"{document['kind']}/{document['metadata']['name']}"


def chart_cases():
    """Values by name: none, and every file in ci/."""
    cases = {"default": {}}
    for path in sorted((CHART / "ci").glob("*.yaml")):
        cases[path.stem] = yaml.safe_load(path.read_text())
    return cases


def rendered(case, values, faults):
    report = helm_python.lint(CHART, values, strict=True)
    for message in report["messages"]:
        faults.say(f"helm lint, {case}", message["severity"] < 2, message["error"])
    faults.say(f"helm lint, {case}", not report["errors"], "; ".join(map(str, report["errors"])))
    with helm_python.Chart.load(CHART) as chart:
        files = chart.render(values, name="db", namespace="olap")
    out = []
    for path, text in files.items():
        if path.endswith(".txt"):
            continue
        try:
            out += documents(text)
        except yaml.YAMLError as error:
            faults.say(f"{case}, {path}", False, f"{error}\n{text}")
    return out


def with_the_command(case, faults):
    """What `helm template` of the command says must be what the SDK says: at least, that it is content."""
    helm = shutil.which("helm")
    if helm is None:
        return
    words = [helm, "template", "db", CHART, "--namespace", "olap"]
    if case != "default":
        words += ["-f", CHART / "ci" / f"{case}.yaml"]
    done = subprocess.run(words, capture_output=True, text=True)
    faults.say(f"helm template, {case}", done.returncode == 0, done.stderr)


def validate(case, document, faults):
    if document["kind"] in FOREIGN:
        unknown = set(document["spec"]) - FOREIGN[document["kind"]]
        faults.say(f"{case}, {name_of(document)}", not unknown, f"unknown fields {unknown}")
        faults.left.append(f"{document['apiVersion']} {document['kind']} (no schema comes with Kubernetes; only its fields' names)")
        return
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(document, version, strict=True)
            faults.say("schema", True)
        except kubernetes_validate.ValidationError as error:
            place = "/".join(map(str, error.path))
            faults.say(f"{case}, {name_of(document)}, Kubernetes {version}", False, f"{place}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError as error:
            faults.say(f"{case}, {name_of(document)}, Kubernetes {version}", False, error.message)


def refers(case, documents, faults):
    """Selectors find pods, ports are open, volumes, configs and services exist."""
    pods = [document for document in documents if document["kind"] in ("StatefulSet", "Deployment")]
    known = {name_of(document): document for document in documents}

    def fits(selector):
        return [pod for pod in pods if selector.items() <= pod["spec"]["template"]["metadata"]["labels"].items()]

    for document in documents:
        kind, spec, label = document["kind"], document.get("spec", {}), f"{case}, {name_of(document)}"
        if kind == "Service":
            found = fits(spec["selector"])
            faults.say(label, len(found) == 1, f"selects {len(found)} workloads")
            ports = {port["containerPort"] for pod in found for one in pod["spec"]["template"]["spec"]["containers"] for port in one["ports"]}
            for port in spec["ports"]:
                target = port.get("targetPort", port["port"])
                faults.say(label, target in ports, f"port {target} is none of {sorted(ports)}")
        elif kind == "PodDisruptionBudget":
            faults.say(label, len(fits(spec["selector"]["matchLabels"])) == 1, "selects no workload")
        elif kind in ("HorizontalPodAutoscaler", "ScaledObject"):
            target = spec["scaleTargetRef"]
            faults.say(label, f"{target['kind']}/{target['name']}" in known, f"scales {target}, which is not there")
        elif kind == "Ingress":
            for rule in spec["rules"]:
                for path in rule["http"]["paths"]:
                    faults.say(label, f"Service/{path['backend']['service']['name']}" in known, "leads to no service")
    for pod in pods:
        check_pod(f"{case}, {name_of(pod)}", pod, known, faults)


def check_pod(label, pod, known, faults):
    spec = pod["spec"]["template"]["spec"]
    if pod["kind"] == "StatefulSet":
        service = known.get(f"Service/{pod['spec']['serviceName']}")
        faults.say(label, service is not None and service["spec"].get("clusterIP") == "None", "its service is not headless")
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
    volumes |= {claim["metadata"]["name"] for claim in pod["spec"].get("volumeClaimTemplates", [])}
    for volume in spec.get("volumes", []):
        if "configMap" in volume:
            faults.say(label, f"ConfigMap/{volume['configMap']['name']}" in known, f"no config map for {volume}")
        if "persistentVolumeClaim" in volume:
            faults.say(label, f"PersistentVolumeClaim/{volume['persistentVolumeClaim']['claimName']}" in known, f"no claim for {volume}")
    for container in spec["containers"]:
        for variable in container.get("env", []):
            secret = variable.get("valueFrom", {}).get("secretKeyRef", {}).get("name", "")
            # Those that are not ours are the user's.
            faults.say(label, not secret.endswith("-roles") or f"Secret/{secret}" in known, f"no secret `{secret}`")
        mounts = [mount["name"] for mount in container.get("volumeMounts", [])]
        faults.say(label, set(mounts) <= volumes, f"mounts {set(mounts) - volumes}, which is no volume")
        faults.say(label, "apachepinot" not in container["image"], f"runs {container['image']}")
        ports = {port["containerPort"] for port in container["ports"]}
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            if probe in container:
                faults.say(label, int(container[probe]["httpGet"]["port"]) in ports, f"{probe} asks a port that is not open")


def metrics(documents, faults):
    """What scales reads metrics that the role writes."""
    texts = [json.dumps(document) for document in documents if document["kind"] == "ScaledObject"]
    for role, name in sorted({found for text in texts for found in re.findall(r"pinot_(\w+?)_(\w+)", text)}):
        sources = "".join(path.read_text() for path in (DEPLOY.parent / role / "src").rglob("*.rs"))
        faults.say(f"metric pinot_{role}_{name}", name in sources or name.rsplit("_", 1)[0] in sources, f"is written nowhere in {role}/src")


def compose(binary, faults):
    """The compose file, and the one laid over it."""
    plain, several = DEPLOY / "compose.yaml", DEPLOY / "compose-several.yaml"
    for files in ([plain], [plain, several]):
        label = " + ".join(path.name for path in files)
        services = loaded(label, files, faults)
        for name, service in services.items():
            for other in service.get("depends_on", []):
                faults.say(f"{label}, {name}", other in services, f"depends on `{other}`, which is not there")
            words = service.get("command") or []
            if service.get("image") == "touriga":
                knows(binary, f"{label}, {name}", words, faults)
                for port, flag in ((5432, "--postgres-port"), (8815, "--flight-port")):
                    open_ports = [one["target"] for one in service.get("ports") or [] if isinstance(one, dict)]
                    faults.say(f"{label}, {name}", port not in open_ports or flag in words, f"publishes {port} without {flag}")


def loaded(label, files, faults):
    """What compose files make together: by `docker compose`, else by its library, else only as YAML."""
    names = [part for path in files for part in ("-f", str(path))]
    docker, go = shutil.which("docker"), shutil.which("go")
    done = subprocess.run([docker, "compose", *names, "config", "--format", "json"], capture_output=True, text=True) if docker else None
    if done is None or "unknown" in done.stderr or "is not a docker command" in done.stderr:
        cache = TARGET / "deploy"
        environment = {**os.environ, "GOMODCACHE": f"{cache}/mod", "GOCACHE": f"{cache}/cache", "GOFLAGS": "-modcacherw"}
        done = subprocess.run([go, "run", ".", *map(str, files)], cwd=DEPLOY / "compose", env=environment, capture_output=True, text=True) if go else None
    if done is None:
        faults.left.append("compose files against their schema (neither `docker compose` nor `go` is here)")
        return yaml.safe_load(files[0].read_text())["services"]
    faults.say(label, done.returncode == 0, done.stderr)
    return json.loads(done.stdout)["services"] if done.returncode == 0 else {}


HELP = {}


def knows(binary, label, words, faults, variables=()):
    """Every flag and every variable of a container is one that the binary tells of."""
    if not binary or not words:
        return
    if words[0] not in HELP:
        HELP[words[0]] = subprocess.run([binary, words[0], "--help"], capture_output=True, text=True)
    told = HELP[words[0]]
    faults.say(label, told.returncode == 0, f"`{words[0]}` is no command: {told.stderr}")
    known = set(re.findall(r"--[a-z-]+", told.stdout)) | set(re.findall(r"env: (TOURIGA_\w+)", told.stdout))
    for word in [*words[1:], *variables]:
        if word.startswith(("--", "TOURIGA_")):
            faults.say(label, word in known, f"`{words[0]}` knows no {word}")


def pods_know(binary, case, documents, faults):
    configs = {document["metadata"]["name"]: document["data"] for document in documents if document["kind"] == "ConfigMap"}
    for document in documents:
        if document["kind"] not in ("StatefulSet", "Deployment"):
            continue
        for container in document["spec"]["template"]["spec"]["containers"]:
            names = [one["name"] for one in container.get("env", [])]
            for source in container.get("envFrom", []):
                names += configs.get(source.get("configMapRef", {}).get("name"), {})
            knows(binary, f"{case}, {name_of(document)}", container.get("args"), faults, names)


def config_of(documents, role):
    return next(document["data"][f"pinot-{role}.conf"] for document in documents
                if document["kind"] == "ConfigMap" and f"pinot-{role}.conf" in document["data"])


def started(binary, case, documents, faults):
    """Starts the three roles with the configs that were rendered, on other ports and in a folder that goes away."""
    ports = database.free_ports(4)
    controller, broker, server, admin = ports
    with tempfile.TemporaryDirectory(prefix="touriga-deploy-") as folder:
        processes = []
        try:
            for role in ("controller", "broker", "server"):
                text = config_of(documents, role).replace("/var/pinot", f"{folder}/pinot") + "\n"
                for usual, port in zip((9000, 8099, 8098, 8097), ports):
                    text = text.replace(f"={usual}\n", f"={port}\n")
                text = re.sub(r"(?m)^controller=.*$", f"controller=http://127.0.0.1:{controller}", text)
                text = re.sub(r"(?m)^deep-store=s3:.*$", f"deep-store=file://{folder}/deep-store", text)
                if re.search(r"(?m)^etcd=", text):
                    faults.left.append(f"{case}: controllers over an etcd (its name is a cluster's; one without it was started)")
                    text = re.sub(r"(?m)^etcd=.*\n", "", text)
                path = pathlib.Path(folder, f"{role}.conf")
                path.write_text(text)
                words = [binary, f"Start{role.capitalize()}", "-configFileName", path, "--log-level", "warn"]
                # What the chart gives the pods out of its secret.
                environment = {**os.environ, "TOURIGA_AUTH_TOKEN": "Bearer shared-by-the-roles"}
                processes.append(subprocess.Popen(list(map(str, words)), stderr=open(f"{folder}/{role}.log", "w"), env=environment))
            for role, port in (("controller", controller), ("broker", broker), ("server", admin)):
                log = pathlib.Path(folder, f"{role}.log")
                faults.say(f"{case}: {role} with the rendered config", is_healthy(port), log.read_text()[-600:])
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(30)


def is_healthy(port):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            database.ask("GET", f"http://127.0.0.1:{port}/health", timeout=3)
            return True
        except (OSError, database.Refused):
            time.sleep(0.1)
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--show", action="store_true", help="print what is rendered")
    parser.add_argument("--binary", help="a touriga to start with the rendered configs")
    options = parser.parse_args()
    faults, rows = Faults(), []
    for case, values in chart_cases().items():
        found = rendered(case, values, faults)
        with_the_command(case, faults)
        rows.append((f"chart, {case}", found))
    plain = [document for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")) for document in documents(path.read_text())]
    rows.append(("kubernetes/*.yaml", plain))
    for case, found in rows:
        if options.show:
            print(yaml.safe_dump_all(found, sort_keys=False))
        before = len(faults.lines)
        for document in found:
            validate(case, document, faults)
        refers(case, found, faults)
        metrics(found, faults)
        pods_know(options.binary, case, found, faults)
        if options.binary and case.startswith("chart"):
            started(options.binary, case, found, faults)
        print(f"{case:<32}  {len(found):>3} documents  {'ok' if len(faults.lines) == before else 'FAULTY'}")
    compose(options.binary, faults)
    if not options.binary:
        faults.left.append("that roles start with the rendered configs (no --binary)")
    json.loads((DEPLOY / "grafana" / "touriga.json").read_text())
    for left in sorted(set(faults.left)):
        print(f"not checked: {left}")
    print(f"Helm {helm_python.helm_sdk_version()}, Kubernetes {', '.join(VERSIONS)}: {faults.done} checks, {len(faults.lines)} faults")
    for line in faults.lines:
        print(f"  {line}")
    sys.exit(bool(faults.lines))


if __name__ == "__main__":
    main()
