"""/api/v1: JSON. Each endpoint is described in ``web/openapi.json``, which a test holds against ``routes.ROUTES``."""
