"""Every row of the table hides what its examples say and nothing else."""

from __future__ import annotations

import random
import string

import pytest

from ledger.redaction import Redactor
from ledger.secret_names import Says, announces, is_bare_hash, random_parts, says
from ledger.secret_rules import HINT, PAIRS, secret_spans
from ledger.secret_shapes import SHAPES
from ledger.secret_text import Rule

RULES = SHAPES + PAIRS
EXAMPLES = [(rule, example) for rule in RULES for example in rule.examples]
KEEPS = [(rule, text) for rule in RULES for text in rule.keeps]


def words(text: str) -> list[str]:
    return text.split()


def unmarked(example: str) -> str:
    return example.replace("«", "").replace("»", "")


def marked(text: str, spans: list[tuple[int, int]]) -> str:
    for start, end in reversed(spans):
        text = f"{text[:start]}«{text[start:end]}»{text[end:]}"
    return text


@pytest.mark.parametrize(("rule", "example"), EXAMPLES, ids=lambda x: getattr(x, "name", ""))
def test_a_rule_hides_just_the_marked_part_of_its_examples(rule: Rule, example: str) -> None:
    assert marked(unmarked(example), list(rule.secrets(unmarked(example)))) == example


@pytest.mark.parametrize(("rule", "text"), KEEPS, ids=lambda x: getattr(x, "name", ""))
def test_a_rule_leaves_its_counter_examples_alone(rule: Rule, text: str) -> None:
    assert list(rule.secrets(text)) == []


@pytest.mark.parametrize(("rule", "example"), EXAMPLES, ids=lambda x: getattr(x, "name", ""))
def test_all_rules_together_hide_no_less(rule: Rule, example: str) -> None:
    text = unmarked(example)
    together = secret_spans(text, beside_names=True)
    alone = list(rule.secrets(text))
    assert all(any(a <= start and end <= b for a, b in together) for start, end in alone)


@pytest.mark.parametrize(("rule", "text"), KEEPS, ids=lambda x: getattr(x, "name", ""))
def test_all_rules_together_leave_the_counter_examples_alone(rule: Rule, text: str) -> None:
    assert secret_spans(text, beside_names=True) == []


@pytest.mark.parametrize(("rule", "example"), EXAMPLES, ids=lambda x: getattr(x, "name", ""))
def test_the_first_look_lets_every_example_through(rule: Rule, example: str) -> None:
    assert HINT.search(unmarked(example).lower())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_has_examples_of_both_kinds(rule: Rule) -> None:
    assert rule.examples
    assert rule.keeps


SECRET_NAMES = words("""
    DB_PASSWORD DB_PASS PGPASSWORD MYSQL_PWD dbPassword password1 PASSPHRASE rootpasswd API_TOKEN
    authToken access-token SECRET SECRET_KEY SECRET_KEY_BASE client_secret clientSecret
    AWS_SECRET_ACCESS_KEY apikey apiKey DD_API_KEY X-Api-Key API_KEY_2 Authorization
    Proxy-Authorization Cookie Set-Cookie SENTRY_DSN ConnectionStrings__Main connectionString
    REDISCLI_AUTH NEO4J_AUTH storepass requirepass masterauth VAULT_TOKEN example.com/api-token
    --db-password -token PASSWORD_HASH RABBITMQ_ERLANG_COOKIE DOCKER_AUTH_CONFIG creds DB_CRED
    DB_PW GITHUB_PAT JWT SALT OTP passkey
""")
PLACE_NAMES = words("""
    PASSWORD_FILE TOKEN_PATH ssl.key.file privateKey PRIVATE_KEY ENCRYPTION_KEY access_key
    GOOGLE_APPLICATION_CREDENTIALS --tls-private-key-file signing-key APP_KEY licenseKey FERNET_KEY
    AWS_ACCESS_KEY_ID PWD
""")
OTHER_NAMES = words("""
    LOG_LEVEL TOKEN_TTL TOKEN_URL SECRET_NAME secretName secretKeyRef secretRef secretNamespace key
    keys topologyKey PARTITION_KEY SSH_PUBLIC_KEY tokenExpirationSeconds PASSWORD_POLICY bypass
    compass NO_PASSWORD --skip-token-check password_encryption imagePullPolicy nodePublishSecretRef
    secret.reloader.stakater.com/reload vault.hashicorp.com/agent-inject-secret-db tokenizer
    AUTH_TOKEN_HEADER session-cookie-name author monkey keyboard passenger MAX_TOKENS
    COOKIE_DOMAIN
""")


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_name_says_secret(name: str) -> None:
    assert says(name) is Says.SECRET
    assert HINT.search(name.lower())


@pytest.mark.parametrize("name", PLACE_NAMES)
def test_a_name_says_secret_or_its_file(name: str) -> None:
    assert says(name) is Says.SECRET_OR_PATH
    assert not announces(name, "/run/secrets/x.pem")
    assert announces(name, "hunter2")
    assert HINT.search(name.lower())


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_a_name_says_nothing(name: str) -> None:
    assert says(name) is Says.NOTHING


@pytest.mark.parametrize(
    "value",
    [
        "",
        "true",
        "No",
        "$PASSWORD",
        "${PASSWORD}",
        "$(PASSWORD)",
        "$(USER):$(PASSWORD)",
        "1",
        "$(cat /run/secrets/x)",
        "{{ .Data.password }}",
        "redacted:k1:" + "0" * 32,
        "***",
    ],
)
def test_what_only_points_to_a_secret_is_none(value: str) -> None:
    assert not announces("PASSWORD", value)


@pytest.mark.parametrize(
    "value",
    [
        "hunter2",
        "12345678",
        "trueish",
        "${PASSWORD:-hunter2}",
        "$(echo hunter2)",
        "/etc/x",
        "$2y$1",
    ],
)
def test_what_may_be_a_secret_is_one(value: str) -> None:
    assert announces("PASSWORD", value)


def test_a_bare_hash_is_explained_by_its_name_or_hidden() -> None:
    digest = "5f70bf18a086007016e948b04aed3b82"
    names = ["X", "DATADOG", "checksum/config", "GIT_COMMIT", "containerID", "image-digest"]
    assert [name for name in names if is_bare_hash(name, digest)] == ["X", "DATADOG"]
    assert not is_bare_hash("X", "sha256:" + digest)


@pytest.mark.parametrize(
    "alphabet",
    [
        string.ascii_letters + string.digits,
        string.ascii_letters + string.digits + "+/",
        string.ascii_letters + string.digits + "-_",
        string.ascii_lowercase + string.digits,
        string.ascii_uppercase + string.digits,
        string.ascii_letters,
    ],
)
def test_random_characters_are_noticed(alphabet: str) -> None:
    dice = random.Random(7)
    runs = ["".join(dice.choices(alphabet, k=dice.randint(32, 64))) for _ in range(1000)]
    assert sum(list(random_parts(f"x {run} y")) != [] for run in runs) > 900


@pytest.mark.parametrize(
    "text",
    words("""
    7061d5ac-2c09-4222-a170-6061b23fb726 pvc-319d3670-6265-459b-92c6-c8aecbfe03a7
    sha256:b9bad555feb190731c50c86f787a54cb0fba82b55887b2d2f02f0ea72866cfc4
    containerd://4032ae6eb39adf73d06998db9e7b40a0482952f36e10a42b1e2cab2ec9f64241
    /var/lib/kubelet/pods/7061d5ac-2c09-4222-a170-6061b23fb726/volumes/kubernetes.io~csi/pvc-1/mount
    org/apache/kafka/common/serialization/ByteArrayDeserializer2
    -XX:+ExplicitGCInvokesConcurrentAndUnloadsClasses XMLHttpRequestFactoryBeanNameGenerator
    my-very-long-stateful-workload-name-6d5f8b7c9d-x2x7z ELASTICSEARCH_LOGS_INDEX_TEMPLATE_NAME
    https://example.com/2026/11/23/a-long-title-with-many-words-in-it-2/index.html
    arn:aws:iam::123456789012:role/eks-orders-production-irsa-role
    ghcr.io/example/very-long-image-name-for-a-sidecar-container:v1.2.3-20261123123746-abcdef0
    1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16 00000000000000000000000000000000
    """),
)
def test_what_only_looks_long_is_left_alone(text: str) -> None:
    assert secret_spans(text, beside_names=True) == []


HOSTILE = [
    *words(r"""
    a.b- eyJ- ://a:b x=" ( A ) \ {{ } [ {{a}} $a ${a a=b= $( `a token:x \" a@ :a a:b@ <a> = : - .
    -----BEGIN_A----- PASSWORD=$( token=" token=' password:x {"token": {"token":" redacted:k1:
    Bearer_a ://redacted:k:a@ aB3- Ab3/ a,b; &a=
"""),
    *(
        "password: ",
        "curl ",
        "curl -u ",
        "mysql -p ",
        "a: |\n b\n",
        "name: x\nvalue: ",
        'password "',
    ),
    *("on >", "echo a|", "set A_B ", "<name>a</name> ", "token = ", "\n ", "token:\n", "--token "),
    *(
        "password  ",
        "://{{a}}",
        "$2y$a",
        "rabbitmqctl add_user ",
        "redis-cli -a",
        "thin:a/",
        "é\u2028",
    ),
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_no_text_takes_long(piece: str) -> None:
    text = f"x token {piece * (30_000 // len(piece))}"
    document = {"x": text, "env": [{"name": "PASSWORD", "value": f"{text[8:]}x"}], "y": [text[8:]]}
    once = Redactor("secrets", "k1", b"k").redact(document).document
    assert Redactor("secrets", "k1", b"k").redact(once).document == once
