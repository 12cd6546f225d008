"""ADBC's Flight SQL driver against a server that speaks no SQL; prints how it failed as one JSON object.

adbc_check.py HOST:PORT
"""

import json
import sys

import adbc_driver_flightsql.dbapi

outcome = {"failed": False}
try:
    with adbc_driver_flightsql.dbapi.connect(f"grpc://{sys.argv[1]}") as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            outcome["rows"] = cursor.fetchall()
except adbc_driver_flightsql.dbapi.Error as error:
    outcome = {"failed": True, "kind": type(error).__name__, "message": str(error)}
print(json.dumps(outcome))
