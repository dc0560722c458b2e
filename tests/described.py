"""AWS's descriptions of its services, read by the process that forks (forking.py): a tenth of a second each."""

from twolane.backends.aws import descriptions

loader = descriptions(None)
for name in ("sqs", "dynamodb", "s3"):
    for kind in ("service-2", "endpoint-rule-set-1"):
        # The version is named as botocore names it: what is read is remembered under all of a call.
        loader.load_service_model(name, kind, api_version=None)
for name in ("endpoints", "partitions", "sdk-default-configuration"):
    loader.load_data(name)
