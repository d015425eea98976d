from .base import ObservedTrial as ObservedTrial, Sampler as Sampler, SamplerContext as SamplerContext
from .registry import get_sampler as get_sampler, register as register, samplers as samplers
