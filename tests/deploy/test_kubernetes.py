"""deploy/kubernetes.yaml, and the Helm chart with each file of values: Kubernetes takes what comes out; it is safe."""

import re
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate.utils import all_versions

from notify_sse.config import Settings, variable
from notify_sse.version import __version__
from tests.deploy.charts import CHART, REPOSITORY, VALUES, Manifest, helm, of_kind, parsed, pods, rendered
from tests.deploy.metrics import documented

APPLIED = REPOSITORY / "deploy/kubernetes.yaml"
NEWEST = sorted({version.rpartition(".")[0] for version in all_versions()}, key=lambda v: int(v.partition(".")[2]))[-3:]
OF_OPERATORS = {"ServiceMonitor", "PrometheusRule"}
SECRET = ("DATABASE_URL", "BROKER_URL", "JWT_SECRET", "JWT_PUBLIC_KEY")


@pytest.fixture(scope="module", params=[APPLIED, *VALUES], ids=lambda file: str(file.stem))
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    """The file for `kubectl apply`, which needs no Helm, and the chart with each file of values."""
    file: Path = request.param
    return parsed(file.read_text()) if file == APPLIED else rendered("--values", file)


def test_kubernetes_takes_each_manifest(manifests: list[Manifest]) -> None:
    """By the published schemas of the three newest minors; a field that they do not know is an error."""
    assert len(NEWEST) == 3
    for manifest in manifests:
        for version in NEWEST if manifest["kind"] not in OF_OPERATORS else []:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_pods_have_few_rights(manifests: list[Manifest]) -> None:
    """Not root, nothing to write but two empty directories, no token of the cluster, no capability."""
    assert len(pods(manifests)) >= 2
    for name, pod in pods(manifests):
        spec, (container,) = pod["spec"], pod["spec"]["containers"]
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["automountServiceAccountToken"] is False, name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/tmp", "/var/lib/notify-sse"}
        assert all("emptyDir" in volume for volume in spec["volumes"]), name
        assert "memory" in container["resources"]["limits"], name
        assert "cpu" not in container["resources"]["limits"], "it would delay every delivery"


def test_pods_are_given_settings_that_there_are_and_secrets_by_reference(manifests: list[Manifest]) -> None:
    known = {variable(name) for name in Settings.__struct_fields__}
    assert not of_kind(manifests, "Secret")
    for name, pod in pods(manifests):
        given = {entry["name"]: entry for entry in pod["spec"]["containers"][0]["env"]}
        assert set(given) <= known, name
        secret = [given[variable(each.lower())] for each in SECRET if variable(each.lower()) in given]
        assert all("secretKeyRef" in entry["valueFrom"] for entry in secret), name
        assert len([key for key in ("JWT_SECRET", "JWT_PUBLIC_KEY", "JWKS_URL") if f"NOTIFY_SSE_{key}" in given]) == 1
        assert pod["spec"]["enableServiceLinks"] is False, "they would set NOTIFY_SSE_PORT"


def test_a_rollout_loses_no_stream_that_it_need_not(manifests: list[Manifest]) -> None:
    """A new pod before an old one goes; the old one serves until balancers have left it, then has time to drain."""
    for deployment in of_kind(manifests, "Deployment"):
        spec = deployment["spec"]
        assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        assert spec["minReadySeconds"] >= 10
        pod, (container,) = spec["template"]["spec"], spec["template"]["spec"]["containers"]
        sleep, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
        probe = container["readinessProbe"]
        drain = next(float(entry["value"]) for entry in container["env"] if entry["name"] == "NOTIFY_SSE_DRAIN_S")
        assert sleep == "sleep"
        assert float(seconds) > probe["periodSeconds"] * probe["failureThreshold"]
        assert pod["terminationGracePeriodSeconds"] >= float(seconds) + drain + 10
        assert {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness")} == {"/healthz"}
        assert probe["httpGet"]["path"] == "/readyz"


def test_everything_that_selects_finds_something(manifests: list[Manifest]) -> None:
    labels = [pod["metadata"]["labels"] for _, pod in pods(manifests)]
    selectors = [manifest["spec"]["selector"] for manifest in of_kind(manifests, "Service")]
    selectors += [manifest["spec"]["selector"]["matchLabels"] for manifest in of_kind(manifests, "PodDisruptionBudget")]
    selectors += [manifest["spec"]["podSelector"]["matchLabels"] for manifest in of_kind(manifests, "NetworkPolicy")]
    assert len(selectors) >= 2
    for selector in selectors:
        assert any(selector.items() <= each.items() for each in labels), selector
    deployments = {manifest["metadata"]["name"] for manifest in of_kind(manifests, "Deployment")}
    for scaler in of_kind(manifests, "HorizontalPodAutoscaler"):
        assert scaler["spec"]["scaleTargetRef"]["name"] in deployments
        assert scaler["spec"]["metrics"][0]["pods"]["metric"]["name"] in documented()


def test_somebody_ingests(manifests: list[Manifest]) -> None:
    """Ingesting processes of their own and gateways, or gateways that do both."""
    roles = {
        entry["value"]
        for manifest in of_kind(manifests, "Deployment")
        for entry in manifest["spec"]["template"]["spec"]["containers"][0]["env"]
        if entry["name"] == "NOTIFY_SSE_ROLE"
    }
    assert roles in ({"gateway", "ingest"}, {"all"})


def test_the_schema_is_migrated_before_new_pods_start(manifests: list[Manifest]) -> None:
    (job,) = of_kind(manifests, "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["notify-sse", "migrate"]


def test_what_is_for_operators_is_not_let_in(manifests: list[Manifest]) -> None:
    for ingress in of_kind(manifests, "Ingress"):
        paths = [path["path"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]
        assert paths == ["/notifications", "/client"]


def test_there_are_five_files_of_values_that_helm_takes() -> None:
    assert len(VALUES) == 5
    for file in VALUES:
        done = helm("lint", CHART, "--strict", "--kube-version", "1.35.0", "--values", file)
        assert done.returncode == 0, done.stdout


def test_the_number_of_gateways_is_the_autoscalers() -> None:
    """With `replicas` in the Deployment each upgrade would set it back."""
    manifests = rendered("--set", "autoscaling.enabled=true")
    (gateway,) = [each for each in of_kind(manifests, "Deployment") if each["metadata"]["name"].endswith("-gateway")]
    assert "replicas" not in gateway["spec"]
    assert of_kind(manifests, "HorizontalPodAutoscaler")


def test_pods_are_reached_by_few_and_reach_little() -> None:
    """The port that they listen on, from the proxy and Prometheus; names, the database, the broker, a JWKS. A pod of
    each kind is meant, that of the migration too.
    """
    manifests = rendered("--values", VALUES[0].with_name("production.yaml"))
    (policy,) = [each["spec"] for each in of_kind(manifests, "NetworkPolicy")]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    (entry,) = policy["ingress"]
    assert [list(each) for each in entry["from"]] == [["namespaceSelector"]] * 2
    for name, pod in pods(manifests):
        assert policy["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items(), name
        (container,) = pod["spec"]["containers"]
        named = [port["name"] for port in container.get("ports", [])]
        assert named in (["http"], []), name
        assert [port["port"] for port in entry["ports"]] == ["http"]
    names, others = policy["egress"]
    assert {(port["protocol"], port["port"]) for port in names["ports"]} == {("UDP", 53), ("TCP", 53)}
    assert [port["port"] for port in others["ports"]] == [5432, 5672, 5671, 443]


def test_the_adapter_gives_the_metric_that_the_autoscaler_asks_for() -> None:
    """By the fields of prometheus-adapter's configuration (docs/config.md there): what it would ask Prometheus for the
    pods of a namespace is PromQL that sums their streams.
    """
    (scaler,) = of_kind(rendered("--values", VALUES[0].with_name("production.yaml")), "HorizontalPodAutoscaler")
    wanted = scaler["spec"]["metrics"][0]["pods"]["metric"]["name"]
    rules = yaml.safe_load((REPOSITORY / "deploy/prometheus/adapter.yaml").read_text())["rules"]
    (rule,) = rules["custom"]
    assert set(rule) == {"seriesQuery", "resources", "name", "metricsQuery"}
    assert rule["resources"] == {"overrides": {label: {"resource": label} for label in ("namespace", "pod")}}
    assert re.sub(rule["name"]["matches"], rule["name"]["as"], wanted) == wanted
    assert rule["seriesQuery"] == f'{wanted}{{namespace!="",pod!=""}}'
    asked = rule["metricsQuery"]
    for part, given in (("Series", wanted), ("LabelMatchers", 'namespace="n",pod=~"a|b"'), ("GroupBy", "pod")):
        asked = asked.replace(f"<<.{part}>>", given)
    assert asked == f'sum({wanted}{{namespace="n",pod=~"a|b"}}) by (pod)'


def test_prometheus_finds_every_pod_and_has_the_rules() -> None:
    manifests = rendered("--values", VALUES[0].with_name("monitoring.yaml"))
    (monitor,) = of_kind(manifests, "ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"]
    (found,) = [each for each in of_kind(manifests, "Service") if wanted.items() <= each["metadata"]["labels"].items()]
    assert found["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "notify-sse", "the job of the alerts"
    assert monitor["spec"]["endpoints"][0]["port"] in [port["name"] for port in found["spec"]["ports"]]
    selector = found["spec"]["selector"]
    deployments = [each["spec"]["template"]["metadata"]["labels"] for each in of_kind(manifests, "Deployment")]
    assert len(deployments) == 2
    assert all(selector.items() <= labels.items() for labels in deployments)
    (rule,) = of_kind(manifests, "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((REPOSITORY / "deploy/prometheus/alerts.yml").read_text())


def test_a_schema_that_leaves_the_version_before_behind_is_asked_for() -> None:
    """Nobody is there to be asked by the Job: without the value, `migrate` changes nothing and fails."""
    done = helm("template", "notify-sse", CHART, "--set", "migrate.allowBreaking=true")
    assert "args: [notify-sse, migrate, --yes]" in done.stdout


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("gateway.replica=3", "replica"),
        ("settings.DATABASE_URL=x", "DATABASE_URL"),
        ("settings.ADMIN_PORT=9000", "ADMIN_PORT"),
        ("gateway.replicas=0", "replicas"),
        ("jwksUrl=https://id.example.test/jwks.json", "exactly one of"),
        ("secrets.jwtSecret=null", "exactly one of"),
        ("secrets.database=null", "database"),
    ],
)
def test_wrong_values_are_refused_by_name(wrong: str, said: str) -> None:
    done = helm("template", "notify-sse", CHART, "--kube-version", "1.35.0", "--set", wrong)
    assert done.returncode != 0
    assert said in done.stderr


def test_the_chart_is_of_this_version_and_has_these_alerts() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == __version__
    alerts = (REPOSITORY / "deploy/prometheus/alerts.yml").read_text()
    assert (CHART / "files/alerts.yml").read_text() == alerts, "copy deploy/prometheus/alerts.yml into the chart"


def test_the_file_for_kubectl_is_the_chart_with_its_defaults(tmp_path: Path) -> None:
    helm("version")
    made = tmp_path / "kubernetes.yaml"
    subprocess.run([REPOSITORY / "tools/manifests", made], check=True, capture_output=True)
    assert APPLIED.read_text() == made.read_text(), "run tools/manifests"
