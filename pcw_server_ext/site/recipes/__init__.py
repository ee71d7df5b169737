"""Configuration for the hosts a site is deployed to: `_headers`, Envoy, nginx.

headers_file    `_headers` for Netlify and Cloudflare Pages
envoy           a static configuration: the site and Spark's grpc-web endpoint behind one listener
nginx           a server block for the static part
"""
