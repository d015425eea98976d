from .operators import OperatorContract as OperatorContract
from .samplers import SamplerContract as SamplerContract
from .stores import StoreContract as StoreContract
from .strategies import StrategyContract as StrategyContract
from .streams import StreamContract as StreamContract
