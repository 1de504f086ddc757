"""Faults at the size of a year: processes that are killed, disks that fill, torn copies, backups that go on.

Each is tried on copies of a made year, at moments and places drawn from a seed; what a folder tells afterwards is
compared with what it told before.
"""
