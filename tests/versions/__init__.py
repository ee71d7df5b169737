"""The core of the tests against the oldest and the newest versions that the ranges allow: `make versions`."""
