"""What proxies that log people in put into requests: names, groups, and tokens that open more than Spark."""

from __future__ import annotations

LOGIN_HEADERS = (
    "oidc_access_token", "oidc_claim_email", "oidc_id_token", "x-pomerium-jwt-assertion",
    "x-pomerium-claim-email", "x-authentik-jwt", "x-authentik-username", "x-authentik-groups", "remote-user",
    "remote-email", "remote-groups", "remote-name", "x-access-token", "x-id-token", "x-auth-token",
    "x-vouch-idp-idtoken", "x-vouch-idp-accesstoken", "x-vouch-user", "tailscale-user-login",
    "tailscale-user-name", "teleport-jwt-assertion", "x-okta-token", "kubeflow-userid", "kubeflow-groups",
    "ssl_client_cert", "ssl-client-cert", "x-client-cert", "x-ssl-client-s-dn", "eppn", "mail", "displayname",
    "x-csrf-token", "x-http-method-override", "x-rewrite-url", "x-original-url", "x-envoy-original-path",
    "x-envoy-external-address", "x-forwarded-for", "x-forwarded-access-token", "x-forwarded-user",
    "x-auth-request-access-token", "x-auth-request-email", "x-remote-user", "x-real-ip",
    "x-goog-iap-jwt-assertion", "x-goog-authenticated-user-email", "cf-access-jwt-assertion",
    "cf-connecting-ip", "x-amzn-oidc-accesstoken", "x-amzn-oidc-data", "x-ms-token-aad-access-token",
    "x-ms-client-principal", "x-jupyterhub-token", "x-webauth-user", "x-token-subject", "x-userinfo",
    "x-credential-identifier", "x-consumer-custom-id", "impersonate-user", "via", "forwarded", "traceparent",
    "cdn-loop", "true-client-ip",
)  # fmt: skip
