"""Figures in the metadata of model files → the pictures that they were measured on."""

MEASURED = {
    "digits": {
        "seeds": "each network alone, on the same pictures",
        "test_error_percent": (
            "of MNIST's 10,000 test images, before the weights were rounded"
        ),
        "validation_loss": "on frames made from MNIST's 5,000 validation images",
    },
    "lines": {
        "validation_error_percent": (
            "of 1,000 lines of digits, marks and letters on worn paper, written with "
            "MNIST's validation images"
        ),
        "validation_loss": "on the same lines",
    },
}
