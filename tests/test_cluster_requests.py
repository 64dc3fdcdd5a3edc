"""The connection to an API server: what is asked, and what becomes of every kind of answer."""

from __future__ import annotations

import json
import logging
import ssl
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ledger import __version__
from ledger.answers import Expired, Throttled
from ledger.cluster import Cluster
from ledger.deadlines import Deadlines
from ledger.errors import (
    ClusterUnreachable,
    ConfigurationInvalid,
    Forbidden,
    OtherCluster,
    Unauthorized,
)
from ledger.lines import LongLine
from ledger.model import KIND_BY_PLURAL
from ledger.observe import Stream
from tests.fake_api import (
    CLUSTER,
    TOKEN,
    FakeApi,
    Fault,
    answering,
    error_line,
    kubeconfig,
    never,
    refusing,
    saying,
)
from tests.watching import PODS, QUICK, serving

EVENTS_IN_SHOP = Stream(KIND_BY_PLURAL["events"], "shop")
IMPATIENT = Deadlines(
    connect_seconds=0.3, read_seconds=0.3, answer_seconds=0.5, idle_seconds=0.3, login_seconds=5.0
)


async def lines_of(cluster: Cluster, *, since: str = "1") -> list[bytes | LongLine]:
    """Everything that one watch says."""
    async with cluster.watch(PODS, resource_version=since, timeout_seconds=240) as lines:
        return [line async for line in lines]


async def test_identity_is_the_uid_of_kube_system(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        assert await cluster.identity() == CLUSTER
        assert api.asked[-1].user_agent == f"rollout-ledger/{__version__}"


async def test_a_list_asks_for_pages_of_a_consistent_read(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        raw = json.loads(await cluster.list_page(EVENTS_IN_SHOP, "", limit=250))
        assert raw["kind"] == "EventList"
        selector = {"fieldSelector": "involvedObject.kind=StatefulSet"}
        assert api.asked[-1].query == {"limit": "250", **selector}
        api.put("pods", "a")
        api.put("pods", "b")
        first = json.loads(await cluster.list_page(PODS, "", limit=1))
        token = first["metadata"]["continue"]
        last = json.loads(await cluster.list_page(PODS, token, limit=1))
        assert api.asked[-1].query == {"limit": "1", "continue": token}
        assert [page["items"][0]["metadata"]["name"] for page in (first, last)] == ["a", "b"]


async def test_a_watch_asks_for_bookmarks_and_an_end(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        async with cluster.watch(EVENTS_IN_SHOP, resource_version="7", timeout_seconds=250):
            pass
        assert api.asked[-1].query == {
            "watch": "1",
            "resourceVersion": "7",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": "250",
            "fieldSelector": "involvedObject.kind=StatefulSet",
        }


async def test_rights_are_asked_of_the_server(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.forbidden.add("pods")
        assert await cluster.allowed("list", "apps", "statefulsets")
        assert not await cluster.allowed("list", "", "pods", namespace="shop")
        assert not await cluster.allowed("delete", "apps", "statefulsets")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (answering(403, "no"), Forbidden),
        (refusing(410, "Expired"), Expired),
        (answering(429, "slow down", retry_after="9"), Throttled),
        (answering(502, "<html>busy</html>", content_type="text/html"), ClusterUnreachable),
        (answering(200, "<html>log in</html>", content_type="text/html"), ClusterUnreachable),
        (never, ClusterUnreachable),
    ],
)
@pytest.mark.parametrize("verb", ["list", "watch"])
async def test_an_answer_other_than_success_is_an_exception_and_no_data(
    tmp_path: Path, fault: Fault, kind: type[Exception], verb: str
) -> None:
    async with serving(tmp_path, deadlines=IMPATIENT) as (api, cluster):
        api.faults[verb, "pods"].append(fault)
        with pytest.raises(kind):
            await (cluster.list_page(PODS, "", limit=5) if verb == "list" else lines_of(cluster))


async def test_a_page_that_breaks_off_is_an_error(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.faults["list", "pods"].append(saying(b'{"kind":"PodList",', then="abort"))
        with pytest.raises(ClusterUnreachable):
            await cluster.list_page(PODS, "", limit=5)


@pytest.mark.parametrize("then", ["end", "abort", "silence"])
async def test_a_watch_may_end_in_any_way_and_half_a_line_is_dropped(
    tmp_path: Path, then: str
) -> None:
    async with serving(tmp_path, deadlines=IMPATIENT) as (api, cluster):
        whole = error_line(500, "InternalError", "told as it came")
        api.faults["watch", "pods"].append(saying(whole, b'{"type":"MODIFIED","obj', then=then))
        assert await lines_of(cluster) == [whole.rstrip()]


@pytest.mark.parametrize("megabytes", [1.5, 5.0, 20.0])
async def test_a_line_of_twenty_megabytes_is_passed_over(tmp_path: Path, megabytes: float) -> None:
    async with serving(tmp_path) as (api, cluster):
        line = b"x" * int(megabytes * 1024 * 1024)
        api.faults["watch", "pods"].append(saying(line, b"\n", b"after\n"))
        [found, after] = await lines_of(cluster)
        assert after == b"after"
        if megabytes < 8:
            assert found == line
        else:
            assert isinstance(found, LongLine)
            assert found.length_bytes == len(line)


async def test_a_token_that_is_rotated_on_disk_is_used_by_the_next_request(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        await cluster.identity()
        api.kubeconfig(tmp_path, user={"token": "second-token"})
        api.tokens = {TOKEN, "second-token"}
        await cluster.list_page(PODS, "", limit=5)
        assert api.asked[-1].token == "second-token"


async def test_an_expired_token_is_read_again_and_nobody_is_told(tmp_path: Path) -> None:
    program = tmp_path / "login.py"
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
    }
    program.write_text(
        "import json, pathlib\n"
        f"token = pathlib.Path({str(tmp_path / 'token')!r}).read_text()\n"
        f"print(json.dumps({credential!r} | {{'status': {{'token': token}}}}))\n"
    )
    (tmp_path / "token").write_text(TOKEN)
    version = {"apiVersion": credential["apiVersion"]}
    user = {"exec": {"command": sys.executable, "args": [str(program)], **version}}
    api = FakeApi()
    await api.start()
    cluster = await Cluster.connect(str(api.kubeconfig(tmp_path, user=user)), None, deadlines=QUICK)
    await cluster.list_page(PODS, "", limit=5)
    (tmp_path / "token").write_text("second-token")
    api.tokens = {"second-token"}
    await cluster.list_page(PODS, "", limit=5)
    assert [asked.token for asked in api.asked] == [TOKEN, TOKEN, "second-token"]
    api.tokens = {"third-token"}
    with pytest.raises(Unauthorized, match=r"You must be logged in to the server \(Unauthorized\)"):
        await cluster.list_page(PODS, "", limit=5)
    await cluster.close()
    await api.stop()


async def test_a_watch_goes_on_while_credentials_are_rotated(tmp_path: Path) -> None:
    async with (
        serving(tmp_path) as (api, cluster),
        cluster.watch(PODS, resource_version="1", timeout_seconds=240) as lines,
    ):
        api.kubeconfig(tmp_path, user={"token": "second-token"})
        api.tokens = {"second-token"}
        await cluster.identity()
        api.put("pods", "a")
        line = await anext(lines)
        assert isinstance(line, bytes)
        assert b'"name":"a"' in line


async def test_half_written_credentials_are_tried_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        path = tmp_path / "kubeconfig"
        whole = path.read_text()
        path.write_text("clusters: [")
        with pytest.raises(ClusterUnreachable):
            await cluster.list_page(PODS, "", limit=5)
        path.write_text(whole)
        await cluster.list_page(PODS, "", limit=5)
        assert len(api.asked) == 1


async def test_a_kubeconfig_that_leads_to_another_cluster_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        await cluster.identity()
        api.cluster = "another"
        api.kubeconfig(tmp_path)
        with pytest.raises(OtherCluster, match=f"was cluster {CLUSTER} and is now cluster another"):
            await cluster.list_page(PODS, "", limit=5)


async def test_choosing_another_context_elsewhere_does_not_turn_us(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        path = tmp_path / "kubeconfig"
        document = yaml.safe_load(path.read_text())
        document["contexts"].append(
            {"name": "other", "context": {"cluster": "fake", "user": "nobody"}}
        )
        document["users"].append({"name": "nobody", "user": {"token": "nobody"}})
        document["current-context"] = "other"
        path.write_text(yaml.safe_dump(document))
        await cluster.list_page(PODS, "", limit=5)
        assert [asked.token for asked in api.asked] == [TOKEN]


async def test_impersonation_is_sent(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.kubeconfig(tmp_path, user={"token": TOKEN, "as": "bob", "as-groups": ["dev"]})
        own = await Cluster.connect(str(tmp_path / "kubeconfig"), None)
        await own.identity()
        await own.close()
        headers = api.asked[-1].headers
        assert (headers["Impersonate-User"], headers["Impersonate-Group"]) == ("bob", "dev")
        await cluster.close()


async def test_a_server_that_is_not_there_is_told_as_kubectl_does(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        await api.stop()
        with pytest.raises(ClusterUnreachable) as caught:
            await cluster.identity()
        assert caught.value.message == (
            f"The connection to the server 127.0.0.1:{api.port} was refused"
            " - did you specify the right host or port?"
        )


async def test_a_name_that_is_not_known_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(kubeconfig({"server": "http://no-such-host.invalid"}, {})))
    cluster = await Cluster.connect(str(path), None, deadlines=QUICK)
    with pytest.raises(
        ClusterUnreachable, match=r"^Unable to connect to the server: no-such-host\.invalid: .+"
    ):
        await cluster.identity()
    await cluster.close()
    await cluster.close()


async def test_credentials_that_cannot_be_used_are_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "config"
    version = {"apiVersion": "client.authentication.k8s.io/v1"}
    user = {"exec": {"command": str(tmp_path / "missing"), **version}}
    path.write_text(yaml.safe_dump(kubeconfig({"server": "http://127.0.0.1:1"}, user)))
    with pytest.raises(ConfigurationInvalid) as caught:
        await Cluster.connect(str(path), None)
    assert caught.value.message.startswith("the credentials of fake cannot be used: ")
    assert "\n" not in caught.value.message


async def test_the_librarys_log_of_bodies_stays_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(tmp_path) as (api, cluster):
        api.put("pods", "a", password="CANARY-in-a-body")
        await cluster.list_page(PODS, "", limit=5)
    assert not logging.getLogger("kubernetes_asyncio.client.rest").isEnabledFor(logging.DEBUG)
    assert "CANARY" not in caplog.text


async def test_the_librarys_log_of_bodies_stays_off_whatever_level_is_set_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.put("pods", "a", password="CANARY-in-a-body")
        caplog.set_level(logging.DEBUG)
        caplog.set_level(logging.DEBUG, logger="kubernetes_asyncio.client.rest")
        await cluster.list_page(PODS, "", limit=5)
        logging.getLogger("kubernetes_asyncio.client.rest").debug("response body: CANARY")
    assert "CANARY" not in caplog.text


def certificate(folder: Path, name: str) -> Path:
    """A certificate for the loopback address that signs itself, and its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.crt"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.with_suffix(".key").write_bytes(private)
    return path


def tls(path: Path) -> ssl.SSLContext:
    """A server's side of a certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path, path.with_suffix(".key"))
    return context


async def test_a_rotated_authority_needs_no_restart(tmp_path: Path) -> None:
    first, second = certificate(tmp_path, "first"), certificate(tmp_path, "second")
    authority = tmp_path / "ca.crt"
    authority.write_bytes(first.read_bytes())
    api = FakeApi()
    await api.start(tls(first))
    named = {"server": f"https://127.0.0.1:{api.port}", "certificate-authority": "ca.crt"}
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(kubeconfig(named, {"token": TOKEN})))
    cluster = await Cluster.connect(str(path), None, deadlines=QUICK)
    assert await cluster.identity() == CLUSTER
    await api.stop()
    await api.start(tls(second))
    with pytest.raises(ClusterUnreachable) as caught:
        await cluster.list_page(PODS, "", limit=5)
    assert caught.value.message.startswith("Unable to connect to the server: 127.0.0.1:")
    assert caught.value.hint == "check certificate-authority and server in the kubeconfig"
    authority.write_bytes(second.read_bytes())
    await cluster.list_page(PODS, "", limit=5)
    await cluster.close()
    await api.stop()
