"""Layers, losses and the building blocks of networks; kinds of layers are loaded when first asked for."""

from .._late import late as _late
from . import functional, init
from .module import Module
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import modules as modules
    from . import parallel as parallel
    from . import utils as utils
    from .activation import *
    from .adaptive import *
    from .attention import *
    from .container import *
    from .conv import *
    from .dropout import *
    from .flatten import *
    from .lazy import *
    from .linear import *
    from .loss import *
    from .normalization import *
    from .padding import *
    from .parallel import DataParallel as DataParallel
    from .pooling import *
    from .rnn import *
    from .sparse import *
    from .sync_batch_norm import SyncBatchNorm as SyncBatchNorm
    from .transformer import *
    from .windows import *

__getattr__, __dir__ = _late(
    __name__,
    {
        "activation": """CELU ELU GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid
            LogSoftmax Mish PReLU ReLU ReLU6 SELU SiLU Sigmoid Softmax Softmax2d Softmin Softplus Softshrink
            Softsign Tanh Tanhshrink Threshold""",
        "adaptive": "AdaptiveLogSoftmaxWithLoss LinearCrossEntropyLoss",
        "attention": "MultiheadAttention",
        "container": "ModuleDict ModuleList ParameterDict ParameterList Sequential",
        "conv": "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d",
        "dropout": "AlphaDropout Dropout Dropout1d Dropout2d Dropout3d FeatureAlphaDropout",
        "flatten": "Flatten Identity PixelShuffle PixelUnshuffle Unflatten",
        "lazy": """LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d LazyConv1d LazyConv2d LazyConv3d
            LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d LazyInstanceNorm1d
            LazyInstanceNorm2d LazyInstanceNorm3d LazyLinear""",
        "linear": "Bilinear Linear NonDynamicallyQuantizableLinear",
        "loss": """BCELoss BCEWithLogitsLoss CTCLoss CosineEmbeddingLoss CosineSimilarity CrossEntropyLoss
            GaussianNLLLoss HingeEmbeddingLoss HuberLoss KLDivLoss L1Loss MSELoss MarginRankingLoss
            MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss NLLLoss PairwiseDistance
            PoissonNLLLoss SmoothL1Loss SoftMarginLoss TripletMarginLoss TripletMarginWithDistanceLoss""",
        "normalization": """BatchNorm1d BatchNorm2d BatchNorm3d GroupNorm InstanceNorm1d InstanceNorm2d
            InstanceNorm3d LayerNorm RMSNorm""",
        "padding": """CircularPad1d CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d ConstantPad3d
            ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d
            ReplicationPad3d Upsample UpsamplingBilinear2d UpsamplingNearest2d ZeroPad1d ZeroPad2d
            ZeroPad3d""",
        "parallel": "DataParallel",
        "pooling": """AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d
            AdaptiveMaxPool2d AdaptiveMaxPool3d AvgPool1d AvgPool2d AvgPool3d MaxPool1d MaxPool2d
            MaxPool3d FractionalMaxPool2d FractionalMaxPool3d""",
        "modules.rnn": "RNNBase RNNCellBase",
        "rnn": "GRU GRUCell LSTM LSTMCell RNN RNNCell",
        "sparse": "Embedding EmbeddingBag",
        "sync_batch_norm": "SyncBatchNorm",
        "transformer": """Transformer TransformerDecoder TransformerDecoderLayer TransformerEncoder
            TransformerEncoderLayer""",
        "windows": """ChannelShuffle CrossMapLRN2d Fold LPPool1d LPPool2d LPPool3d LocalResponseNorm
            MaxUnpool1d MaxUnpool2d MaxUnpool3d RReLU Unfold""",
    },
    """activation adaptive attention container conv distributed dropout flatten grad lazy linear loss modules
    normalization padding parallel pooling rnn sparse transformer utils windows""",
)
