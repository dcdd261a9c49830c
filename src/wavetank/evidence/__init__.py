"""Evidence: what a run leaves behind, and what it comes to.

It refuses to know who produces it and who reads it.
"""

from wavetank.evidence.faults import Change, Recovery, recovery_of
from wavetank.evidence.finding import Finding
from wavetank.evidence.histogram import Histogram
from wavetank.evidence.journal import Journal, encode_record, read_journal
from wavetank.evidence.loads import LoadNumbers
from wavetank.evidence.operations import Kind, Operation, Pair, pairs
from wavetank.evidence.records import (
    LOAD_COUNTS,
    CheckFinished,
    CheckStarted,
    FaultBegan,
    FaultHealed,
    FaultsPlanned,
    FigureMeasured,
    FigureSampled,
    GeneratorSampled,
    HistogramTaken,
    LoadSampled,
    Noted,
    Record,
    RecoveryMeasured,
    RunFinished,
    RunStarted,
    Sampled,
    TargetEnded,
    TargetReady,
)
from wavetank.evidence.schedule import Attribute, Do, Fault, Schedule, Step
from wavetank.evidence.sequences import Arrival, Gap, Sequence
from wavetank.evidence.shape import (
    CheckSummary,
    FaultSummary,
    FaultTimeline,
    Figure,
    GeneratorPoint,
    GeneratorSummary,
    Latency,
    LoadPoint,
    LoadSummary,
    Located,
    OperationSummary,
    Resources,
    Series,
    SuiteSummary,
    Summary,
    TargetSummary,
)
from wavetank.evidence.summary import exit_code, fold
from wavetank.evidence.verdict import Verdict, merge

__all__ = [  # noqa: RUF022  # grouped by module, as every room's public names
    # faults
    "Change",
    "Recovery",
    "recovery_of",
    # finding
    "Finding",
    # histogram
    "Histogram",
    # journal
    "Journal",
    "encode_record",
    "read_journal",
    # loads
    "LoadNumbers",
    # operations
    "Kind",
    "Operation",
    "Pair",
    "pairs",
    # records
    "LOAD_COUNTS",
    "CheckFinished",
    "CheckStarted",
    "FaultBegan",
    "FaultHealed",
    "FaultsPlanned",
    "FigureMeasured",
    "FigureSampled",
    "GeneratorSampled",
    "HistogramTaken",
    "LoadSampled",
    "Noted",
    "Record",
    "RecoveryMeasured",
    "RunFinished",
    "RunStarted",
    "Sampled",
    "TargetEnded",
    "TargetReady",
    # schedule
    "Attribute",
    "Do",
    "Fault",
    "Schedule",
    "Step",
    # sequences
    "Arrival",
    "Gap",
    "Sequence",
    # shape
    "CheckSummary",
    "FaultSummary",
    "FaultTimeline",
    "Figure",
    "GeneratorPoint",
    "GeneratorSummary",
    "Latency",
    "LoadPoint",
    "LoadSummary",
    "Located",
    "OperationSummary",
    "Resources",
    "Series",
    "SuiteSummary",
    "Summary",
    "TargetSummary",
    # summary
    "exit_code",
    "fold",
    # verdict
    "Verdict",
    "merge",
]
