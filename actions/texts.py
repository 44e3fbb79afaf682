"""What the actions say, in English and Chinese. `{names}` are filled in by the caller, already formatted."""

from __future__ import annotations

_TEXTS: dict[str, tuple[str, str]] = {
    # identity and failures
    "login": (
        "Please log in first, so that I know it is you. I will carry on with your request right afterwards.",
        "请先登录，以便我确认是您本人。登录后我会马上继续处理您的请求。",
    ),
    "login_button": ("Log in", "登录"),
    "logged_in": (
        "You are logged in. What can I do for you?",
        "您已登录。请问有什么可以帮您？",
    ),
    "unavailable": (
        (
            "I cannot reach your accounts at the moment, so nothing was done. Please try again in a few minutes. "
            "General questions I can still answer."
        ),
        "我暂时无法访问您的账户，因此未做任何操作。请过几分钟再试。一般性的问题我仍然可以回答。",
    ),
    "card_unsure": (
        (
            "I could not confirm whether your card ending {last_four} was changed. Please ask me again in a minute "
            "before you rely on it. If it is urgent, call {phone}."
        ),
        (
            "我无法确认尾号 {last_four} 的卡片是否已更改。请一分钟后再问我一次，确认之前请勿视为已生效。"
            "如情况紧急，请致电 {phone}。"
        ),
    ),
    # balances
    "balances": ("Here are your balances:", "您的账户余额如下："),
    "balance_of_type": ("Here is your {type} balance:", "您的{type}余额如下："),
    "balance_line": ("- {name}: **{amount}**", "- {name}：**{amount}**"),
    "owed_line": ("- {name}: you owe **{amount}**", "- {name}：欠款 **{amount}**"),
    "available": (" ({amount} available)", "（可用额度 {amount}）"),
    "no_account_of_type": ("You have no {type} with us.", "您在我行没有{type}。"),
    "no_accounts": ("There is no account in your name yet.", "您名下还没有账户。"),
    "type_current": ("current account", "活期账户"),
    "type_savings": ("savings account", "储蓄账户"),
    "type_credit_card": ("credit card", "信用卡"),
    "type_loan": ("loan", "贷款"),
    # transactions
    "transactions_latest": (
        "Your latest transactions ({first}–{last} of {count}):",
        "您最近的交易（第 {first}–{last} 笔，共 {count} 笔）：",
    ),
    "transactions_between": (
        "Your transactions from {start} to {end} ({first}–{last} of {count}):",
        "您 {start} 至 {end} 的交易（第 {first}–{last} 笔，共 {count} 笔）：",
    ),
    "transactions_of_day": (
        "Your transactions of {start} ({first}–{last} of {count}):",
        "您 {start} 的交易（第 {first}–{last} 笔，共 {count} 笔）：",
    ),
    "transaction_line": ("- {day} · {what} · **{amount}**", "- {day} · {what} · **{amount}**"),
    "transaction_line_account": (
        "- {day} · {what} · **{amount}** · {account}",
        "- {day} · {what} · **{amount}** · {account}",
    ),
    "spent_shown": ("Spent in the transactions shown: **{amount}**", "以上交易共支出：**{amount}**"),
    "spent_period": ("Spent in this period: **{amount}**", "此期间共支出：**{amount}**"),
    "no_transactions": ("There are no transactions yet.", "目前还没有交易。"),
    "no_transactions_between": ("There are no transactions from {start} to {end}.", "{start} 至 {end} 没有交易。"),
    "no_more_transactions": ("There are no earlier transactions.", "没有更早的交易了。"),
    "more_button": ("Show more", "查看更多"),
    # card lock
    "no_cards": ("There is no card in your name.", "您名下没有卡片。"),
    "unknown_card": (
        "I can't find a card ending {last_four} among yours.",
        "在您的卡片中找不到尾号 {last_four} 的卡片。",
    ),
    "which_card_lock": ("Which card should I lock?", "您要锁定哪张卡？"),
    "which_card_unlock": ("Which card should I unlock?", "您要解锁哪张卡？"),
    "confirm_lock": (
        "Shall I lock your {card}? Payments and cash withdrawals will stop until you unlock it.",
        "要锁定您{card}吗？锁定后将无法付款和取现，直到您解锁为止。",
    ),
    "confirm_unlock": (
        "Shall I unlock your {card}? Payments and cash withdrawals will work again at once.",
        "要解锁您{card}吗？解锁后即可恢复付款和取现。",
    ),
    "yes_button": ("Yes", "是"),
    "no_button": ("No", "否"),
    "done_lock": (
        (
            "Done: your {card} is locked. You can unlock it here whenever you like. If it is lost or stolen, tell me "
            "and I will bring in a colleague."
        ),
        "已完成：您{card}已锁定。您随时可以在这里解锁。如果卡片遗失或被盗，请告诉我，我会为您转接同事。",
    ),
    "done_unlock": ("Done: your {card} is unlocked and works again.", "已完成：您{card}已解锁，可以正常使用。"),
    "already_lock": (
        "Your {card} is locked already, so there is nothing to change.",
        "您{card}已经处于锁定状态，无需更改。",
    ),
    "already_unlock": ("Your {card} is not locked, so there is nothing to change.", "您{card}并未锁定，无需更改。"),
    "all_already_lock": ("All your cards are locked already.", "您的所有卡片都已锁定。"),
    "all_already_unlock": ("None of your cards is locked.", "您的卡片均未锁定。"),
    "declined_lock": ("All right, I did not lock it. Nothing has changed.", "好的，我没有锁定卡片，一切保持不变。"),
    "declined_unlock": (
        "All right, I did not unlock it. Nothing has changed.",
        "好的，我没有解锁卡片，一切保持不变。",
    ),
    "card_debit": ("debit card ending **{last_four}**", "尾号 **{last_four}** 的借记卡"),
    "card_credit": ("credit card ending **{last_four}**", "尾号 **{last_four}** 的信用卡"),
    "card_button_debit": ("{account} debit card ••{last_four}", "{account} 借记卡 ••{last_four}"),
    "card_button_credit": ("{account} ••{last_four}", "{account} ••{last_four}"),
    "card_locked_mark": (" (locked)", "（已锁定）"),
}

KEYS = frozenset(_TEXTS)


def text(key: str, language: str, **values: str) -> str:
    """The text `key` in `language` (`zh`, anything else is English). KeyError for an unknown key or a missing value."""
    english, chinese = _TEXTS[key]
    return (chinese if language == "zh" else english).format(**values)
