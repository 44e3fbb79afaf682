"""`make bench`: what one message costs. The encoder alone on one core, then whole turns through the public door, durable inbox on.

Prints a table, and as the last line one JSON object. Uses the running stack, or starts one.
"""

from __future__ import annotations

import concurrent.futures
import json
import statistics
import time
from collections.abc import Callable

import psutil

from bot.launcher.asking import Asker, ask_running
from bot.shared.settings import Settings, load_settings

MESSAGES = {
    "FAQ": ("How do I unlock my card?", None),
    "FAQ 中文": ("怎么解锁我的银行卡？", None),
    "balance": ("what's my balance?", "demo1"),
    "form": ("lock my card ending 4821", "demo1"),
}
SIXTEEN_TOKENS = "my card was declined at the shop today, can you tell me why please"


def main() -> None:
    """Runs every measurement; a few minutes."""
    settings = load_settings()
    results: dict[str, float] = {}
    results["encoder_ms"] = encoder_ms(settings)
    with Asker(settings, print):
        for name, (text, user) in MESSAGES.items():
            times = [one_turn(settings, text, user) for _ in range(40)][5:]
            results[f"turn_p50_ms {name}"] = statistics.median(times)
            results[f"turn_p95_ms {name}"] = statistics.quantiles(times, n=20)[-1]
        for at_once in (1, 8, 32):
            results[f"turns_per_s {at_once} at once"] = throughput(settings, at_once)
        results["rss_mb"] = sum(p.memory_info().rss for p in processes(settings)) / 1e6
    for name, value in results.items():
        print(f"{name:28} {value:10.2f}")
    print(json.dumps({name: round(value, 3) for name, value in results.items()}))


def encoder_ms(settings: Settings) -> float:
    """Median milliseconds of one message of 16 tokens on one core, tokenizing and all heads included."""
    from nlu_models.encoder import Encoder, current_folder

    encoder = Encoder.load(current_folder(settings.var_path), threads=1)
    return statistics.median(timed(lambda: encoder.run(SIXTEEN_TOKENS)) for _ in range(220))


def one_turn(settings: Settings, text: str, user: str | None) -> float:
    """Milliseconds of one message in a fresh conversation, over HTTP."""
    return ask_running(settings, text, user=user)["round_trip_ms"]


def throughput(settings: Settings, at_once: int, turns: int = 160) -> float:
    """FAQ turns a second over fresh conversations."""
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        started = time.perf_counter()
        list(pool.map(lambda _: ask_running(settings, "How do I unlock my card?"), range(turns)))
        return turns / (time.perf_counter() - started)


def processes(settings: Settings) -> list[psutil.Process]:
    """The four processes, by the ports they listen on."""
    ports = {settings.port, settings.rasa_port, settings.actions_port, settings.admin_port}
    return [
        psutil.Process(connection.pid)
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port in ports and connection.pid
    ]


def timed(work: Callable[[], object]) -> float:
    """Milliseconds that `work` takes."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
