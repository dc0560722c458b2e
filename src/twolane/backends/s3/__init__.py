"""Blobs in an S3 bucket, through obstore: streamed up in parts, checked when opened. Floor 3: knows the contract.

A blob is an object under `PREFIX/ab/ab....blob`; an object is there whole or not at all. When the task of a blob is
done, whoever settles it may tag it, and a lifecycle rule deletes by that tag only: nothing that waits expires.
"""

from twolane.backends.s3.blobs import Bucket, S3Blobs, read_bucket

__all__ = ["Bucket", "S3Blobs", "read_bucket"]
