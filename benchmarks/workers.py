"""Compare the throughput of two workers with that of one, for MNIST PNGs on the same two cores.

    python benchmarks/workers.py

starts the service with one worker and with two, and loads them in turn with wrk for a second each, so that slow changes
in other load on the machine cancel out. Prints requests per second, and the ratio of each round: median and
quartiles. Needs wrk.
"""

from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from serving import BIN, CONNECTIONS, PORT, form, load, need_tools, pictures, start, stop, write_script

CORES = "0,1"
WORKERS = (1, 2)


def main(rounds: Annotated[int, typer.Option(help="Number of rounds.")] = 15) -> None:
    """Compare the throughput of two workers with that of one."""
    need_tools()
    body = form(pictures()["28×28 PNG"], "file")
    urls = {workers: f"http://127.0.0.1:{PORT + workers}/predict" for workers in WORKERS}
    servers = [
        start(
            [str(BIN / "digits"), "serve", "--port", str(PORT + workers), "--workers", str(workers)],
            "file",
            url,
            CORES,
        )[0]
        for workers, url in urls.items()
    ]
    rates: dict[tuple[int, int], list[float]] = {}
    with TemporaryDirectory() as folder:
        script = write_script(Path(folder), body)
        for turn in range(rounds + 1):
            for workers, url in urls.items():
                for connections in CONNECTIONS[1:]:
                    rate = load(script, connections, 1, url, CORES)["rps"]
                    if turn:  # the first round warms up
                        rates.setdefault((workers, connections), []).append(rate)
    for server in servers:
        stop(server)
    for connections in CONNECTIONS[1:]:
        one, two = (rates[workers, connections] for workers in WORKERS)
        ratios = [b / a for a, b in zip(one, two, strict=True)]
        low, _, high = quantiles(ratios, n=4)
        typer.echo(
            f"{connections} connections: one {median(one):,.0f}, two {median(two):,.0f} requests/s: "
            f"{median(ratios):.2f}× ({low:.2f} to {high:.2f})"
        )


if __name__ == "__main__":
    typer.run(main)
