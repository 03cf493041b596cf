"""Chromium as people have it, but without a window, driven by its own driver."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no browser: apt-get install chromium chromium-driver"
)

_FLAGS = (
    *("headless", "no-sandbox", "disable-gpu", "no-first-run", "disable-dev-shm-usage"),
    *("disable-background-networking", "disable-component-update", "disable-sync"),
)
_LIMIT_SECONDS = 20


class Chromium:
    """A browser with one page open, and what people do to it."""

    def __init__(self) -> None:
        assert BROWSER and DRIVER
        options = webdriver.ChromeOptions()
        options.binary_location = BROWSER
        for flag in _FLAGS:
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.driver.set_script_timeout(_LIMIT_SECONDS)

    def open(self, page: Path, size: tuple[int, int] = (800, 700)) -> None:
        """Open a page from disk in a window of `size`, and wait for its first pictures."""
        shape = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", shape)
        self.driver.get(page.as_uri())
        self.until("return document.body.getAttribute('aria-busy') === 'false'")

    def js(self, code: str, *words: Any) -> Any:
        """What a function with this body returns."""
        return self.driver.execute_script(code, *words)

    def until(self, code: str) -> None:
        """Wait until a function with this body returns something true."""
        WebDriverWait(self.driver, _LIMIT_SECONDS, 0.02).until(lambda _: self.js(code))

    def press(self, *keys: str) -> None:
        """Press keys, each in its turn, wherever the focus is; shift is held for a whole word."""
        for key in keys:
            typing = ActionChains(self.driver, duration=0)
            if key[0] == Keys.SHIFT:
                typing.key_down(Keys.SHIFT).send_keys(*key[1:]).key_up(Keys.SHIFT).perform()
            else:
                typing.send_keys(*key).perform()

    def click(self, name: str) -> None:
        """Click the button with this id."""
        self.driver.find_element(By.ID, name).click()

    def drag(self, name: str, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag over an element, from one point to another in shares of its width and height."""
        box = self.js("return document.getElementById(arguments[0]).getBoundingClientRect()", name)

        def place(at: tuple[float, float]) -> tuple[int, int]:
            return round(box["x"] + at[0] * box["width"]), round(box["y"] + at[1] * box["height"])

        mouse = ActionChains(self.driver, duration=0)
        mouse.w3c_actions.pointer_action.move_to_location(*place(start)).pointer_down()
        mouse.w3c_actions.pointer_action.move_to_location(*place(end)).pointer_up()
        mouse.perform()

    def text(self, name: str) -> str:
        """What the element with this id says."""
        return str(self.js("return document.getElementById(arguments[0]).textContent", name))

    def picture(self, name: str) -> NDArray[np.uint8]:
        """What is seen of an element, (H, W, 3) RGB."""
        coded = self.driver.find_element(By.ID, name).screenshot_as_png
        shown = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR)
        assert shown is not None
        return np.asarray(shown[..., ::-1], np.uint8)

    def complaints(self) -> list[str]:
        """What the browser has written to its console since this was asked last."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def addresses(self) -> list[str]:
        """What has been asked for since this was asked last."""
        told = [
            json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")
        ]
        asked = [at for at in told if at["method"] == "Network.requestWillBeSent"]
        return [str(at["params"]["request"]["url"]) for at in asked]

    def close(self) -> None:
        """End the browser."""
        self.driver.quit()
