"""`jupyter pcw check`: a preflight report on a site, in a folder or at a URL.

findings    what a check says
source      reads a site from a folder, as its host would send it, or over HTTP
files       headers, media types, scripts, service worker, limits
runtime     the browser runtime: same origin, complete, unchanged
endpoint    Spark: reachable, TLS, CORS, token
browser     opens the site in a real browser, starts the kernel, runs a query
notebooks   opens each notebook in a real browser and runs its cells
runs        what running a notebook gave
outputs     the error in a cell's outputs, and how they differ from saved ones
junit       the notebooks that were run, as JUnit XML
"""
