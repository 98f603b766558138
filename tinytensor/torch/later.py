"""What `torch` loads when it is first named, so that its import costs little: modules, and names defined in one."""

MODULES = ("accelerator", "amp", "autograd", "backends", "distributed", "distributions", "func", "nn", "optim",
           "serialization", "testing", "utils", "version")
KERNELS = ("adaptive_avg_pool1d", "avg_pool1d", "bilinear", "celu", "celu_", "channel_shuffle", "conv1d", "conv2d",
           "conv_transpose1d", "conv_transpose2d", "cosine_similarity", "group_norm", "hardshrink", "layer_norm",
           "max_pool1d", "max_pool2d", "pairwise_distance", "pdist", "pixel_shuffle", "pixel_unshuffle", "prelu",
           "rms_norm", "rrelu", "rrelu_", "selu", "selu_", "threshold", "threshold_")  # as torch.nn.functional has them
DROPPING = ("alpha_dropout", "dropout", "feature_alpha_dropout")
PLACES = {
    "amp": ("autocast",),
    "accelerator": ("mps", "mtia", "xpu"),
    "compiling": ("compile",),
    "kernels": (*KERNELS, *DROPPING, *(f"{name}_" for name in DROPPING), "embedding"),
    "serialization": ("load", "save"),
    "version": ("__version__",),
}
FROM = {name: module for module, names in PLACES.items() for name in names}
