"""What the Shakti paper says about size and speed. None of it was measured here.

Source: "Shakti SLMs", arXiv 2503.01933, Figures 5 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "Shakti SLMs, arXiv 2503.01933"
MARK = "paper, not measured here"
Q4_TIMES_SMALLER = 8.0  # Figure 5: Q4 is "about" this many times smaller than FP32


@dataclass(frozen=True)
class PaperRate:
    """One bar of the paper's Figure 6; `rate` is in tokens/s."""

    hardware: str
    model: str
    scheme: str
    rate: float

    @property
    def label(self) -> str:
        """Model and format, as a row of a figure names them."""
        return f"{self.model} {self.scheme}"


FIGURE_6: tuple[PaperRate, ...] = (
    PaperRate("iPhone 14", "Shakti-100M", "Q4", 153.7),
    PaperRate("iPhone 14", "Shakti-500M", "Q4", 62.4),
    PaperRate("Raspberry Pi 5", "Shakti-500M", "Q4", 29.54),
    PaperRate("Raspberry Pi 5", "SmolLM2-360M", "Q4", 28.99),
    PaperRate("Intel Xeon 8488C, 8 cores", "Shakti-500M", "Q4", 72.02),
    PaperRate("Intel Xeon 8488C, 8 cores", "Qwen2.5-0.5B", "Q4", 45.89),
    PaperRate("Apple M3 Max", "Shakti-250M", "Q4", 385.0),
    PaperRate("NVIDIA L40s", "Shakti-500M", "Q4", 583.88),
    PaperRate("NVIDIA L40s", "SmolLM2-360M", "Q4", 281.98),
)
