"""lm-eval's own command line with the model ``shakti``.

python -m sdk_builder.evaluation --model shakti --model_args bundle=PATH,threads=2 --tasks ...
"""

import sys

from sdk_builder.errors import ShaktiError
from sdk_builder.evaluation.harness import require_lm_eval


def main() -> None:
    """Register the model and hand over to lm-eval."""
    try:
        require_lm_eval()
        from lm_eval.__main__ import cli_evaluate

        import sdk_builder.evaluation.lm_eval_model  # noqa: F401  (registers it)

        cli_evaluate()
    except ShaktiError as error:
        sys.stderr.write(f"error: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"hint: {error.hint}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
