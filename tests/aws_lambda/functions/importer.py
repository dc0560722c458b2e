"""The function that runs what takes longer than it."""

import twolane.aws_lambda

handler = twolane.aws_lambda.handler("imports:tasks")
