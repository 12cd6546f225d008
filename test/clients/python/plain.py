"""Values as the checks print them: the same for every reader."""
import base64
import datetime

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MICROSECOND = datetime.timedelta(microseconds=1)


def plain(value):
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        return str((value.astimezone(datetime.timezone.utc) - EPOCH) // MICROSECOND)
    if value is None or isinstance(value, (bool, str)):
        return value
    return str(value)
