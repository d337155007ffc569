"""What `capacity` says in two languages: resources, rules, what days rest on, the rungs of brown-out."""

from typing import NamedTuple

Pair = tuple[str, str]  # Chinese, English

RESOURCES: dict[str, Pair] = {
    "none": ("无", "nothing"),
    "cpu": ("CPU", "CPU"),
    "fsync": ("落盘（fsync）", "fsync"),
    "disk": ("磁盘空间", "disk"),
    "memory": ("内存", "memory"),
    "connections": ("终端连接", "connections"),
    "descriptors": ("文件描述符", "descriptors"),
    "hsm": ("加密机", "HSM"),
    "bank": ("银行未应答 {of}", "bank {of}"),
    "lane": ("冲正通道 {of}", "lane of {of}"),
    "link": ("银行链路 {of}", "links of {of}"),
}


class Words(NamedTuple):
    """A rule that holds: what it saw and what to do."""

    what: Pair
    todo: Pair


# {…} is filled from the rule's figures.
RULES: dict[str, Words] = {
    "none": Words(
        ("各项资源均有余量", "every resource has room"),
        ("无需处理", "nothing to do"),
    ),
    "disk-low": Words(
        (
            "流水所在磁盘仅余 {free}，低于 {mark} 即拒绝新交易",
            "{free} are free on the journal's disk; under {mark} no new payment is taken",
        ),
        ("清理磁盘或扩容", "make room, or add disk"),
    ),
    "memory-tight": Words(
        ("节点占用 {used}，只剩 {free} 可用", "the node has {used}, and only {free} are left to it"),
        (
            "查看本机其他占用内存的程序，或增加内存",
            "see what else takes memory on this machine, or add memory",
        ),
    ),
    "hsm-away": Words(
        ("没有可用的加密机，交易以 96 拒绝", "no HSM is ready: payments are refused with 96"),
        ("检查加密机与其网络", "look at the HSM and its network"),
    ),
    "hsm-full": Words(
        (
            "加密机未应答指令 {count_used}，上限 {cap}",
            "{count_used} commands that HSMs have not answered, of {cap}",
        ),
        (
            "检查加密机是否变慢；增加一台（[hsm] links）",
            "see whether it has become slow; add one in [hsm] links",
        ),
    ),
    "connections-full": Words(
        (
            "终端连接 {count_used}，上限 {cap}；近十秒拒绝 {refused}",
            "{count_used} connections of {cap}; {refused} were turned away in ten seconds",
        ),
        (
            "查看来源（posswitch guards），封禁异常地址；正常增长则用前置合并连接",
            "see where they come from (posswitch guards), ban who does not belong; else join them in a front",
        ),
    ),
    "descriptors-full": Words(
        ("打开的描述符 {count_used}，上限 {cap}", "{count_used} descriptors are open, of {cap}"),
        ("提高上限（LimitNOFILE）后重启", "raise the limit (LimitNOFILE), restart"),
    ),
    "fsync-slow": Words(
        (
            "等待落盘占 {disk_share} 的时间：每次提交 {commit_ms} 毫秒、{commit_events} 个事件；{rung}",
            "it takes {disk_share} of the time, {commit_ms} ms a commit of {commit_events} events; {rung}",
        ),
        (
            "检查磁盘及共用者；更换写入延迟更低的盘",
            "see to the disk and to who else writes on it; take one that syncs faster",
        ),
    ),
    "cpu-busy": Words(
        (
            "节点运算占 {cpu_share} 的时间，每秒 {per_s} 笔；{rung}",
            "work takes {cpu_share} of the time at {per_s} payments/s; {rung}",
        ),
        ("换用单核更快的机器，或分流", "take a machine with faster cores, or share the load out"),
    ),
    "cpu-taken": Words(
        (
            "节点 {others_share} 的时间在等 CPU，被本机其他程序占用；{rung}",
            "for {others_share} of the time other programs of this machine have the cores; {rung}",
        ),
        ("移走其他程序，或给节点专用的核", "move them away, or give the node a core of its own"),
    ),
    "link-none": Words(
        ("该行 {links} 条链路均不可用，交易以 91 拒绝", "none of its {links} links serves: refused with 91"),
        ("posswitch ping {of} 查明位置", "find out where: posswitch ping {of}"),
    ),
    "link-few": Words(
        ("该行 {links} 条链路仅 {able} 条可用", "{able} of its {links} links serve"),
        ("posswitch ping {of} 查明位置", "find out where: posswitch ping {of}"),
    ),
    "bank-full": Words(
        (
            "该行未应答 {count_used}，上限 {cap}，其余以 91 拒绝",
            "{count_used} requests wait for its answer, of {cap}; more are refused with 91",
        ),
        ("联系银行：应答变慢", "call the bank: it has become slow"),
    ),
    "bank-owes": Words(
        (
            "欠该行冲正或通知 {count_used}，上限 {cap}，最早的已等 {age}",
            "{count_used} reversals and advices wait for it, of {cap}, the oldest for {age}",
        ),
        ("联系银行：冲正无应答", "call the bank: it does not answer reversals"),
    ),
}

# What "full in" rests on, by Resource.assumes.
ASSUMES: dict[str, Pair] = {
    "growth": (
        "按流水中的日增长（同星期比较）延续；最忙一分钟同比例增长",
        "days go on growing as the journal shows (weekday against weekday), and the busiest minute with them",
    ),
    "pace": (
        "整日数不足 {min} 天，按日均量不变推算",
        "fewer than {min} whole days: as many a day as until now, without growth",
    ),
    "few-days": (
        "整日数不足 {min} 天，无法判断增长",
        "too few days: fewer than {min} whole ones say nothing of growth",
    ),
    "never": ("不再增长，不会用满", "it does not grow: never"),
    "far": ("十年以上", "more than ten years"),
    "full": ("已满", "it is full"),
    "no-load": ("没有足够的交易可供测量", "too few payments to measure"),
    "steady": ("不随天数增长", "does not grow with the days"),
}

# The rungs of brown-out, as edge/overload numbers them.
RUNGS: tuple[Pair, ...] = (
    ("全部受理", "everything is taken"),
    ("不受理结算与批上送", "no settlements and uploads"),
    ("也不受理查询", "no inquiries either"),
    ("不受理新交易，只受理撤销、退货、完成、通知与冲正", "no new payments, only what ends something"),
    ("只受理冲正", "reversals only"),
    ("全部拒绝，包括冲正", "nothing, not even reversals"),
)

HEAD: dict[str, Pair] = {
    "short": ("当前瓶颈：{name}。{what}。处理：{todo}", "Short now: {name}. {what}. Do: {todo}"),
    "away": (
        "没有运行中的节点：以下只来自流水与磁盘",
        "no node is running: this is what journal and disk say",
    ),
    "rung": (
        "降级第 {rung} 级：{said}（排队 {wait} 毫秒）",
        "rung {rung} of brown-out: {said} (a wait of {wait} ms)",
    ),
    "load": ("当前每秒 {per_s} 笔", "{per_s} payments/s now"),
    "peak": (
        "至少可达每秒 {peak} 笔（每笔 CPU {us} 微秒，测自每秒 {least}～{most} 笔）",
        "at least {peak}/s can be reached (CPU {us} µs a payment, measured at {least} to {most}/s)",
    ),
    "days": ("每日 {level} 笔", "{level} payments a day"),
    "growth": ("日增 {slope} 笔（{days} 个整日）", "{slope} more each day ({days} whole days)"),
    "few": ("整日数只有 {days}，无法判断增长", "too few days for growth ({days} whole ones)"),
    "minute": ("最忙一分钟 {at}：{count} 笔", "busiest minute {at}: {count} payments"),
    "record": (
        "每条记录 {each} 字节，每笔 {records} 条",
        "{each} bytes a record, {records} records a payment",
    ),
    "columns": (
        "资源|已用|上限|占比|十分钟最高|剩余|用满",
        "resource|used|limit|share|most in 10 min|left|full in",
    ),
}
UNITS: dict[str, Pair] = {
    "payments/s": ("笔/秒", "payments/s"),
    "day": ("天", "days"),
    "core": ("核", "core"),
    "none": ("—", "-"),
}
