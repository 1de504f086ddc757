"""Lines of a run as columns, and columns as Parquet files: what ended long ago takes a seventh of the room.

`rows` turns lines into columns and back, `files` writes and reads these. Both know no database and no server, and
import numpy and pyarrow; whoever imports this package does not.
"""
