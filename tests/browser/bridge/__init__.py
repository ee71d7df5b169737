"""The bridge between a blocked kernel and the network, in a real Chromium against a real HTTP server."""
