-- +goose Up

-- MTA-STS policies (RFC 8461) of domains we send to. Written by package holdqueue/relay only.
CREATE TABLE sts_policy (
    domain      TEXT PRIMARY KEY,             -- A-labels, lower case
    policy_id   TEXT NOT NULL,                -- that DNS announced when it was fetched
    policy      TEXT NOT NULL,                -- as it was served
    fetched_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);

-- How TLS with recipients' servers went, for RFC 8460. Written by package holdqueue/relay only.
CREATE TABLE tls_count (
    day       TEXT NOT NULL,                  -- 2026-11-21, UTC
    domain    TEXT NOT NULL,
    policy    TEXT NOT NULL,                  -- tlsa, sts, no-policy-found
    host      TEXT NOT NULL,
    result    TEXT NOT NULL,                  -- success, or a failure type
    sessions  BIGINT NOT NULL,
    PRIMARY KEY (day, domain, policy, host, result)
);
