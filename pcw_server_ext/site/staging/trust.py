"""Who trusts which site: a visitor's choice for one content, and the page that asks for it."""

from __future__ import annotations

import html
from typing import Any

from jupyter_server.auth.identity import IdentityProvider, LegacyIdentityProvider, PasswordIdentityProvider

from pcw_server_ext.proxy.access.identity import under_a_hub

#: Their users share one token or password and have names that change: they are one person, the server's owner.
_ONE_OWNER = (IdentityProvider, PasswordIdentityProvider, LegacyIdentityProvider)
OWNER = ""

#: Of the page that asks: it can do nothing, and no other page can put it into a frame and guide a click.
ASKING_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)


def person(handler: Any) -> str:
    """Return whose choice counts for a request: the user's name, or `OWNER` where all users are the server's owner."""
    if type(handler.identity_provider) in _ONE_OWNER and not under_a_hub():
        return OWNER
    return str(handler.current_user.username)


def asking_page(name: str, *, trust: str, content: str, xsrf: str, path: str, apart: str | None) -> str:
    """Return the page that asks a visitor what a site that somebody uploaded may do.

    Args:
        name: the site's.
        trust: address to which the choice to trust it is sent.
        content: which content is trusted: one that replaces it meanwhile is not.
        xsrf: value of Jupyter's XSRF cookie.
        path: where in the site the visitor wanted to go.
        apart: address that opens it on an origin of its own; None where there is none.
    """
    shown, form = html.escape(name), html.escape(trust)
    if apart is not None:
        choice = f"""<p><a class="button" href="{html.escape(apart)}">Open it apart</a></p>
<p>It runs on an address of its own, without your rights here: its kernel and its files work, your files and the
server's Spark are out of its reach. If that page cannot be reached, because you use this server through a tunnel, set
<code>SiteService.guest_port</code> and forward that port as well.</p>"""
    else:
        choice = """<p>This server has no address of its own for sites that are not trusted: its administrator can set
<code>SiteService.origin</code>.</p>"""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Open {shown}?</title>
<style>body {{ font: 16px/1.5 sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em }}
.button, button {{ font: inherit; padding: .4em 1em; border: 1px solid #888; border-radius: 4px; background: #eee;
color: #000; text-decoration: none; cursor: pointer }}</style></head>
<body><h1>Open the site “{shown}”?</h1>
<p>Somebody uploaded this site. It is a program: opened with your rights it can do on this Jupyter server what you can,
such as read and change your files, open terminals and make tokens, and it can send what it reads anywhere.</p>
{choice}
<form method="post" action="{form}">
<input type="hidden" name="_xsrf" value="{html.escape(xsrf)}">
<input type="hidden" name="content" value="{html.escape(content)}">
<input type="hidden" name="path" value="{html.escape(path)}">
<p><button>Trust it and open it</button></p></form>
<p>Trust it if you made it, or know who did. That holds for this content and for you; a new upload asks again.</p>
</body></html>
"""
