from .api.compare import compare as compare
from .api.search import search as search
from .api.work import work as work
from .bundle.load import load as load
from .bundle.predictor import Predictor as Predictor
from .bundle.skew import SkewWarning as SkewWarning
from .checks.table import check_table as check_table
from .classifier import AutoFIClassifier as AutoFIClassifier
from .core.progress import RichProgress as RichProgress
from .dashboard import open_dashboard as open_dashboard
from .data.load import inspect_table as inspect_table
from .data.schema_overrides import SchemaOverrides as SchemaOverrides, load_overrides as load_overrides
from .errors import AutoFIError as AutoFIError
from .explanation.explain import explain as explain
from .explanation.explanation_file import explain_file as explain_file
from .nni.search_space_document import nni_space as nni_space
from .serving import serve as serve
from .space.catalog import list_operators as list_operators, list_spaces as list_spaces
from .store import delete_study as delete_study, list_studies as list_studies, rename_study as rename_study
from .study.study import Study as Study, open_study as open_study

__version__: str
