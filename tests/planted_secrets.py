"""Kinds of secrets, each made anew as often as asked for.

Each begins and ends with letters that nothing else here holds (`MARKS`), so that one search finds
any part of any of them.
"""

# ruff: noqa: E501 - kinds and places read best one to a line

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass

LETTERS = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
MIXED, UPPER, HEX, WORD = ("q7Zx3W", "Kv9mJ2"), ("QZXWV7", "WVKQX3"), ("5ec4e7c0de5e", "e5ed0c7e4ce5"), ("zqxjkwv", "vwkjxqz")  # fmt: skip
BASIC = "c3ZjLWFwcHM6"
MARKS = (*MIXED, *UPPER, *HEX, *WORD, BASIC)


class Source:
    """Random secrets of a seed, never the same twice."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._seen: set[str] = set()

    def mixed(self, length: int = 24) -> str:
        """Letters of both cases and digits."""
        return self._new(MIXED, LETTERS, length)

    def upper(self, length: int) -> str:
        """Capitals and digits."""
        return self._new(UPPER, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", length)

    def hex(self, length: int) -> str:
        """Lower-case hex digits."""
        return self._new(HEX, "0123456789abcdef", length)

    def word(self, length: int = 19) -> str:
        """What a person might choose: small letters."""
        return self._new(WORD, "abcdefghijklmnopqrstuvwxyz", length)

    def basic(self) -> str:
        """`user:password` in base64."""
        return base64.b64encode(f"svc-apps:{self.mixed(18)}".encode()).decode()

    def jwt(self) -> str:
        """Header, claims and signature."""
        parts = ({"alg": "HS256"}, {"sub": "app"})
        head = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode().strip("=") for p in parts]
        return ".".join([*head, self.mixed(43)])

    def _new(self, marks: tuple[str, str], letters: str, length: int) -> str:
        room = length - len(marks[0]) - len(marks[1])
        while True:
            made = marks[0] + "".join(self._random.choices(letters, k=room)) + marks[1]
            if made not in self._seen:
                self._seen.add(made)
                return made


Made = tuple[str, str]
"""The text to plant, and the secret in it."""


@dataclass(frozen=True)
class Secret:
    """A kind of secret; `form` when nothing but its own form betrays it, `named` when nothing but
    the name beside it does."""

    name: str
    make: Callable[[Source], Made]
    form: bool = False
    named: bool = False


def alone(text: str, make: Callable[[Source], str]) -> Callable[[Source], Made]:
    """A text around `@`, where the secret goes."""

    def made(source: Source) -> Made:
        secret = make(source)
        return text.replace("@@", secret), secret

    return made


def form(name: str, text: str, make: Callable[[Source], str]) -> Secret:
    """A secret that its form betrays."""
    return Secret(name, alone(text, make), form=True)


def written(name: str, text: str, make: Callable[[Source], str] = Source.mixed) -> Secret:
    """A secret beside its name in a text."""
    return Secret(name, alone(text, make))


def _m(length: int) -> Callable[[Source], str]:
    return lambda source: source.mixed(length)


def _x(length: int) -> Callable[[Source], str]:
    return lambda source: source.hex(length)


def _u(length: int) -> Callable[[Source], str]:
    return lambda source: source.upper(length)


def _inner(source: Source) -> Made:
    secret = source.word()
    return json.dumps({"db": json.dumps({"user": "app", "password": secret})}), secret


def _account(source: Source) -> Made:
    secret = source.mixed(64)
    pem = f"-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n"
    return json.dumps({"type": "service_account", "private_key": pem, "client_id": "1"}), secret


SECRETS: tuple[Secret, ...] = (
    form("PEM key", "-----BEGIN RSA PRIVATE KEY-----\n@@\n-----END RSA PRIVATE KEY-----", _m(64)),
    form("OpenSSH key cut off", "-----BEGIN OPENSSH PRIVATE KEY-----\n@@", _m(64)),
    form("JWT", "@@", Source.jwt),
    form("AWS access key id", "AKIA@@", _u(16)),
    form("AWS session key id", "ASIA@@", _u(16)),
    form("GCP API key", "AIza@@", _m(35)),
    form("GCP OAuth token", "ya29.@@", _m(60)),
    form("GCP client secret", "GOCSPX-@@", _m(28)),
    form("GitHub token", "ghp_@@", _m(36)),
    form("GitHub app token", "ghs_@@", _m(36)),
    form("GitHub fine-grained token", "github_pat_@@", _m(60)),
    form("GitLab token", "glpat-@@", _m(20)),
    form("Slack bot token", "xoxb-123456789012-@@", _m(24)),
    form("Slack hook", "https://hooks.slack.com/services/T00000000/B00000000/@@", _m(24)),
    form("Discord hook", "https://discord.com/api/webhooks/123456789012345678/@@", _m(60)),
    form("Telegram bot", "1234567890:AA@@", _m(33)),
    form("Stripe key", "sk_live_@@", _m(24)),
    form("Stripe hook", "whsec_@@", _m(32)),
    form("npm token", "npm_@@", _m(36)),
    form("Vault token", "hvs.@@", _m(24)),
    form("SendGrid key", "SG.0123456789abcdefghijkl.@@", _m(43)),
    form("DigitalOcean token", "dop_v1_@@", _x(64)),
    form("PyPI token", "pypi-@@", _m(60)),
    form("Shopify token", "shpat_@@", _x(32)),
    form("Square token", "sq0atp-@@", _m(22)),
    form("Twilio key", "SK@@", _x(32)),
    form("Hugging Face token", "hf_@@", _m(34)),
    form("Grafana token", "glsa_@@_0123abcd", _m(32)),
    form("Databricks token", "dapi@@", _x(32)),
    form("New Relic key", "NRAK-@@", _u(27)),
    form("Doppler token", "dp.pt.@@", _m(43)),
    form("Atlassian token", "ATATT3xFfGF0@@", _m(60)),
    form("Azure client secret", "abc8Q~@@", _m(34)),
    form("model key", "sk-@@", _m(48)),
    form("age key", "AGE-SECRET-KEY-1@@", _u(58)),
    form("bcrypt hash", "$2y$10$@@", _m(53)),
    form("argon2 hash", "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$@@", _m(43)),
    form("bearer header", "Authorization: Bearer @@", _m(24)),
    form("basic header", "Authorization: Basic @@", Source.basic),
    form("PostgreSQL URL", "postgres://app:@@@db:5432/shop?sslmode=require", Source.word),
    form("Redis URL", "redis://:@@@cache:6379/0", Source.word),
    form("AMQP URL", "amqp://app:@@@mq:5672/orders", Source.word),
    form("MongoDB URL", "mongodb+srv://app:@@@m0.example.com/shop", Source.word),
    form("token as URL user", "https://@@@git.example.com/shop.git", _m(24)),
    form("token before a password in a URL", "https://@@:x-oauth-basic@git.example.com/shop.git", _m(40)),
    form("MySQL DSN", "app:@@@tcp(db:3306)/shop", Source.word),
    form("Azure shared access signature", "https://a.blob.example.net/b?sv=1&sig=@@&se=2", _m(44)),
    written("AWS secret key", "AWS_SECRET_ACCESS_KEY=@@", _m(40)),
    written("Azure storage key", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=@@==;EndpointSuffix=x", _m(86)),
    written("Azure service bus", "Endpoint=sb://a.example.net/;SharedAccessKeyName=k;SharedAccessKey=@@=", _m(43)),
    written("random string", "@@", _m(48)),
    written("JDBC string", "jdbc:postgresql://db/shop?user=app&password=@@", Source.word),
    written("ADO string", "Server=db;User Id=app;Password=@@;Encrypt=True", Source.word),
    written("libpq string", "host=db user=app password=@@ sslmode=require", Source.word),
    written("JAAS", 'org.apache.kafka.PlainLoginModule required username="app" password="@@";', Source.word),
    written("JSON", '{"db":{"user":"app","password":"@@"}}', Source.word),
    Secret("JSON in JSON", _inner),
    Secret("GCP service account", _account, form=True),
    written("JSON cut off", '{"a":1,"password":"@@","user":"jo', Source.word),
    written("container registry login", '{"auths":{"registry.example.com":{"auth":"@@"}}}', Source.basic),
    written("YAML", "db:\n  user: app\n  password: @@\n", Source.word),
    written("YAML block", "db:\n  password: |-\n    @@\n  user: app\n", Source.word),
    written("YAML folded", "db:\n  password:\n    @@\n  user: app\n", Source.word),
    written("YAML list of env", "- name: API_TOKEN\n  value: @@\n", Source.word),
    written("TOML", '[db]\npassword = "@@"\nuser = "app"\n', Source.word),
    written("properties", "spring.datasource.password=@@\nspring.datasource.username=app\n", Source.word),
    written("INI", "[client]\nuser=app\npassword=@@\n", Source.word),
    written("XML", "<db><user>app</user><password>@@</password></db>", Source.word),
    written("npmrc", "//registry.example.com/:_authToken=@@", _m(36)),
    written("netrc", "machine a.example.com login app password @@", _m(20)),
    written("SQL", "alter role app with password '@@'", Source.word),
    written("redis.conf", "port 6379\nrequirepass @@\n", Source.word),
    written("assignment", "API_TOKEN=@@ exec app", Source.word),
    written("export", "set -e\nexport DB_PASSWORD='@@'\nexec app", Source.word),
    written("flag", "exec app --db-password @@ --port 1", Source.word),
    written("flag with =", "exec app --auth-token=@@ --port 1", Source.word),
    written("mysql -p", "mysql -uroot -p@@ -e 'select 1'", Source.word),
    written("redis-cli -a", "redis-cli -h db -a @@ ping", Source.word),
    written("curl -u", "curl -sS -u app:@@ http://web/", Source.word),
    written("curl -H", "curl -H 'X-Api-Key: @@' http://web/", Source.word),
    written("sshpass", "sshpass -p @@ ssh app@host", Source.word),
    written("vault login", "vault login @@", Source.word),
    written("docker login", "docker login -u app -p @@ registry.example.com", Source.word),
    written("helm --set", "helm upgrade web chart --set auth.password=@@,replicas=2", Source.word),
    written("kubectl set env", "kubectl set env sts/web DB_PASSWORD=@@ --record=true", Source.word),
    written("bare auth", "url: https://web/\nauth: @@\n", Source.basic),
    written("PIN", "PIN=@@", Source.word),
    Secret("password by name", alone("@@", Source.word), named=True),
    Secret("passphrase by name", alone("correct @@ staple", Source.word), named=True),
)  # fmt: skip
