"""Is a bundle whole, does it run, and does it compute its model?"""

from sdk_builder.verify.report import VerifyReport, verify_bundle

__all__ = ["VerifyReport", "verify_bundle"]
