"""A function's code, as people write it."""

import twolane.aws_lambda

handler = twolane.aws_lambda.handler("shop:app")
