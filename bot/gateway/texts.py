"""What the gateway itself says, in both languages: errors, honest failures, and a word to those who wait."""

from __future__ import annotations

from typing import Any

from bot.shared.hours import OfficeHours

ERRORS = {
    "empty": ("Please type a message first.", "请先输入内容。"),
    "too_long": (
        "That message is too long. Please shorten it to {limit} characters.",
        "消息过长，请控制在 {limit} 个字符以内。",
    ),
    "too_large": ("The request is too large.", "请求内容过大。"),
    "rate_limited": (
        "You are sending messages faster than I can read them. Please wait a moment.",
        "您发送得太快了，请稍等片刻再试。",
    ),
    "invalid_json": ("The request is not valid JSON.", "请求不是有效的 JSON。"),
    "invalid_input": ("I could not read that request.", "无法识别该请求。"),
    "invalid_message_id": (
        "A message needs an id of 1 to 100 letters, digits or . _ : -",
        "消息需要 1 至 100 位的编号（字母、数字或 . _ : -）。",
    ),
    "message_id_taken": ("That message id is already in use.", "该消息编号已被使用。"),
    "button_invalid": ("That button does not work here. Please type your answer.", "该按钮在此无效，请直接输入。"),
    "button_expired": ("That button is no longer valid. Please type your answer.", "该按钮已失效，请直接输入。"),
    "conversation_closed": ("This chat has ended. Please start a new one.", "本次对话已结束，请重新开始。"),
    "token_invalid": ("Your chat session is not valid. Please reload the page.", "聊天会话无效，请刷新页面。"),
    "token_expired": ("Your chat session has run out and is being renewed.", "聊天会话已过期，正在续期。"),
    "unauthorized": ("A valid bearer token is needed.", "需要有效的访问令牌。"),
    "foreign_origin": ("Requests from other sites are not accepted.", "不接受来自其他网站的请求。"),
    "unknown_user": ("No such customer.", "没有该客户。"),
    "identity_unavailable": ("This installation cannot look up customers.", "当前系统无法查询客户。"),
    "not_found": ("Not found.", "未找到。"),
    "method_not_allowed": ("That method is not allowed here.", "不支持该请求方法。"),
    "unavailable": (
        "I can't answer just now because part of our system is down. Please try again in a minute. "
        "In an emergency call {phone}.",
        "系统部分功能暂时不可用，请稍后再试。紧急情况请致电 {phone}。",
    ),
    "internal": ("Something went wrong on our side.", "系统内部出现错误。"),
}

# The gateway does not know how far a turn got before it was lost, so none of these claims that nothing happened.
_FAILURE = (
    "I'm sorry, I couldn't finish that: part of our system isn't answering. If you asked me to change something, "
    "please check it before you try again in a few minutes. In an emergency call {phone}.",
    "非常抱歉，系统部分功能没有响应，您的请求未能完成。"
    "如果您要求了变更操作，请先核实结果，几分钟后再试。紧急情况请致电 {phone}。",
)
_URGENT_FAILURE = {
    "lost_stolen_card": (
        "If your card is lost or stolen, call {phone} now, day or night, so that it can be blocked. My own systems "
        "aren't answering at the moment, so I have put you in the queue for a colleague. Office hours: {hours}.",
        "如果您的卡丢失或被盗，请立即致电 {phone}（24 小时）冻结卡片。"
        "我的系统暂时无法响应，已为您排队等候人工客服。服务时间：{hours}。",
    ),
    "fraud": (
        "If you think someone is using your account, call {phone} now, day or night. My own systems aren't answering "
        "at the moment, so I have put you in the queue for a colleague. Office hours: {hours}.",
        "如果您怀疑账户被他人使用，请立即致电 {phone}（24 小时）。"
        "我的系统暂时无法响应，已为您排队等候人工客服。服务时间：{hours}。",
    ),
    "human": (
        "I have put you in the queue for a colleague. Office hours: {hours}. In an emergency call {phone}.",
        "已为您排队等候人工客服。服务时间：{hours}。紧急情况请致电 {phone}。",
    ),
}
_WAITING = (
    "Your message has been added for our colleague. You are still in the queue; office hours: {hours}.",
    "已将您的消息转给人工客服，您仍在排队中。服务时间：{hours}。",
)
_TOO_LATE = (
    "I'm sorry, I wasn't available when you wrote this, and too much time has passed to act on it. Please ask again "
    "if you still need it.",
    "很抱歉，您发送这条消息时系统不可用，现已时隔较久，不宜再执行。如仍需要，请重新发送。",
)


class Texts:
    """The gateway's words with this bank's phone number and hours filled in. `language` is en or zh."""

    def __init__(self, phone: str, hours: OfficeHours, max_characters: int) -> None:
        self._phone = phone
        self._hours = hours
        self._limit = max_characters

    def error(self, code: str, language: str = "en") -> str:
        """The sentence for an error code; an unknown code gets the general one."""
        return self._fill(ERRORS.get(code, ERRORS["internal"]), language)

    def failure(self, urgency: str | None, language: str) -> dict[str, Any]:
        """The reply to a message that could not be handled; `urgency` as found by `urgent.find`."""
        if urgency is None:
            return self._payload(_FAILURE, language, "notice")
        return self._payload(_URGENT_FAILURE[urgency], language, "handoff")

    def waiting(self, language: str) -> dict[str, Any]:
        return {**self._payload(_WAITING, language, "notice"), "notice": "waiting"}

    def too_late(self, language: str) -> dict[str, Any]:
        return self._payload(_TOO_LATE, language, "notice")

    def _payload(self, texts: tuple[str, str], language: str, kind: str) -> dict[str, Any]:
        return {"text": self._fill(texts, language), "language": language, "kind": kind}

    def _fill(self, texts: tuple[str, str], language: str) -> str:
        text = texts[1] if language == "zh" else texts[0]
        return text.format(phone=self._phone, hours=self._hours.describe(language), limit=self._limit)
