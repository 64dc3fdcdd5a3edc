r"""Secrets that their own form betrays, wherever they stand: keys, tokens, hashes, URLs.

A table like secret_rules.py's, which is about names beside values; every rule carries examples,
with guillemets around what it must hide, and examples that it must leave alone.
"""

from __future__ import annotations

from ledger.secret_text import Rule, rule

SHAPES: tuple[Rule, ...] = (
    rule(
        "pem",
        r"(?P<secret>-----BEGIN [A-Z0-9 ]{1,40}-----(?:.*?-----END [A-Z0-9 ]{1,40}-----|.*))",
        (
            "key: «-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----»\nnext",
            "«-----BEGIN PRIVATE KEY-----\ncut off»",
        ),
        ("----- BEGIN -----",),
    ),
    rule(
        "jwt",
        r"(?<![\w-])(?P<secret>eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*){0,3})",
        ("t «eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl»",),
        ("eyJude.mp3", "heyJude-the-song.eyJude-the-band"),
    ),
    rule(
        "aws access key id",
        r"(?<![A-Z0-9])(?P<secret>(?:AKIA|ASIA)[A-Z0-9]{16})(?![A-Z0-9])",
        ("user «AKIAIOSFODNN7EXAMPLE» gone",),
        ("ASIATIC", "AKIAIOSFODNN7"),
    ),
    rule(
        "github token",
        r"(?<![A-Za-z0-9])(?P<secret>gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,})",
        ("«ghp_0123456789abcdefghijABCDEFGHIJ0123»", "«github_pat_11ABCDEFG0123456789_abc»"),
        ("ghp_short", "github_patterns"),
    ),
    rule(
        "slack token or hook",
        r"(?<![A-Za-z0-9])(?P<secret>xox[a-z]-[\w-]{15,})|hooks\.slack\.com/(?P<bare>[\w/]{10,})",
        (
            "«xoxb-123456789012-abcdefGHIJ»",
            "https://hooks.slack.com/«services/T00000000/B00000000/XXXXXXXX»",
        ),
        ("xoxo-love", "hooks.slack.com/help"),
    ),
    rule(
        "vendor token",
        r"(?<![A-Za-z0-9])(?P<secret>[srp]k_(?:live|test)_\w{10,}|AIza[\w-]{30,}|glpat-[\w-]{15,}"
        r"|npm_[A-Za-z0-9]{30,}|hv[sbr]\.[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}|dop_v1_[0-9a-f]{32,}"
        r"|pypi-[\w-]{30,}|shpat_[0-9a-f]{32}|sk-[\w-]{20,}|AGE-SECRET-KEY-1[A-Z0-9]{30,})",
        (
            "«sk_live_0123456789abcdef»",
            "«AIzaSyA0123456789abcdefghijklmnopqrstu»",
            "«glpat-abcdefghij0123456789»",
            "«npm_abcdefghijABCDEFGHIJ0123456789abcdef»",
            "«hvs.CAESIJ0123456789abcdefghij»",
        ),
        ("npm_config_cache", "sk_live_", "risk-assessment-of-the-whole-estate", "glpat-"),
    ),
    rule(
        "password hash",
        r"(?P<secret>\$(?:2[abxy]|[156y]|apr1|argon2id?)\$[\w./$=,+-]{20,})",
        ("app:«$2y$10$abcdefghijklmnopqrstuvwxyzABCDEFGHIJ»",),
        ("$1$", "costs $5"),
    ),
    rule(
        "authorization scheme",
        r"(?i:(?<!\w)(?:bearer|basic))[ \t]+(?P<secret>(?=[\w.~+/-]*[0-9=])[\w.~+/=-]{6,})",
        ("Bearer «abc123def456»", 'X-Auth: "basic «YWRtaW46aHVudGVyMg==»"'),
        ("Basic authentication", "the bearer of bad news", "Bearer $TOKEN"),
    ),
    rule(
        "url userinfo",
        r"://(?:(?:\{\{[^{}]{0,80}\}\}|(?!\{\{)[^\s/?#@:\"'\\])*:)?(?!git@)(?P<secret>"
        r"[^\s/?#\"'\\]+(?=@(?!sha\d))|(?<=:)(?!//|[0-9]{1,5}[/?#])[^\s\"'@\\]{1,200}(?=@))",
        (
            "postgres://app:«hunter2»@db:5432/shop?x=a@b",
            "https://«t0k3n»@host/path",
            "amqp://u:«p1»@a,amqp://u:«p2»@b",
            "redis://:«p@ss»@cache",
            "postgres://app:«sl/ash»@db",
        ),
        (
            "https://host/a@b",
            "http://host:8080/u@v",
            "ssh://git@host/repo",
            "docker-pullable://nginx@sha256:00",
            "postgres://$(USER):$(PASSWORD)@db",
        ),
    ),
    rule(
        "userinfo without scheme",
        r"(?<![\w.+-])[\w.+-]{0,80}:(?!\d{1,5},)(?P<secret>[^\s:@/\"'\\]{1,200})@(?!sha\d)"
        r"(?=tcp\(|unix\(|\[?[\w.-]+[\]:/])|(?i:thin:)\w{1,80}/(?P<bare>[^\s:@/\"'\\]{1,200})(?=@)",
        (
            "root:«hunter2»@tcp(db:3306)/shop",
            "app:«hunter2»@db:5432",
            "jdbc:oracle:thin:a/«hunter2»@db:1",
        ),
        ("nginx:1.25@sha256:0123", "mailto:me@example.com", "1@kafka-0:9093,2@kafka-1:9093"),
    ),
    rule(
        "signed url",
        r"(?i:[?&](?:sig|x-amz-signature|x-goog-signature)=)(?P<secret>[^&\s\"'\\]+)",
        ("https://a/b?sv=1&sig=«abc%3D»&x=1",),
        ("config=1",),
    ),
    rule(
        "vendor token, continued",
        r"(?<![A-Za-z0-9])(?P<secret>sq0[a-z]{3}-[\w-]{20,}|whsec_\w{20,}|ya29\.[\w-]{20,}"
        r"|GOCSPX-[\w-]{20,}|SK[0-9a-f]{32}(?!\w)|hf_[A-Za-z0-9]{30,}|gl(?:sa|c)_\w{20,}"
        r"|dapi[0-9a-f]{32}|NRAK-[A-Z0-9]{20,}|dp\.(?:pt|st|sa|ct)\.\w{30,}|ATATT3[\w=-]{30,}"
        r"|pscale_\w{2,8}_[\w.-]{30,}|lin_api_\w{30,}|key-[0-9a-f]{32}(?!\w)|\d{8,10}:AA[\w-]{30,}"
        r"|[\w~.-]{3}\dQ~[\w~.-]{30,}|1//0[\w-]{30,})",
        (
            "«sq0atp-0123456789abcdefghijkl»",
            "«whsec_0123456789abcdefghijABCDEFGHIJ01»",
            "«ya29.a0AfB_0123456789abcdefghij»",
            "«GOCSPX-0123456789abcdefghijABCDEFGH»",
            "«SK0123456789abcdef0123456789abcdef»",
            "«hf_0123456789abcdefghijABCDEFGHIJabcd»",
            "«glsa_0123456789abcdefghijABCDEFGHIJ01_0123abcd»",
            "«dapi0123456789abcdef0123456789abcdef»",
            "«NRAK-ABCDEFGHIJ0123456789ABCDEFG»",
            "«dp.pt.0123456789abcdefghijABCDEFGHIJ0123456789abc»",
            "«123456789:AAabcdefghij0123456789ABCDEFGHIJ012»",
            "«abc8Q~0123456789abcdefghijABCDEFGHIJ01.-»",
        ),
        ("SKIP", "hf_cache", "key-value", "dapi", "10:AA", "dp.pt.x", "whsec_", "NRAK-"),
    ),
    rule(
        "hook with a token in its path",
        r"discord(?:app)?\.com/api/webhooks/\d+/(?P<secret>[\w-]{20,})"
        r"|\.webhook\.office\.com/webhookb2/(?P<bare>[\w@/-]{20,})",
        ("https://discord.com/api/webhooks/123/«abcdefghijklmnopqrstuvwxyz-0123»",),
        ("https://discord.com/api/webhooks/123/x",),
    ),
    rule(
        "token as user of a url",
        r"://(?P<secret>(?=[\w-]*[0-9])(?=[\w-]*[A-Za-z])[\w-]{20,}|[^\s/?#:@\"'\\]+(?=:x-oauth-basic@))"
        r"(?=:[^\s/?#@\"'\\]*@)",
        (
            "https://«0123456789abcdefghij»:x@git.example.com/shop.git",
            "https://«t0k3n»:x-oauth-basic@git.example.com",
        ),
        ("postgres://app:$(PASSWORD)@db", "amqp://orders-service-1:$(P)@mq"),
    ),
)
"""Seen by their form alone, wherever they stand."""
