"""What `ping` says in two languages: causes, places, steps, the message for those who can mend it."""

from typing import NamedTuple

Pair = tuple[str, str]  # Chinese, English

PLACES: dict[str, Pair] = {
    "nowhere": ("无故障", "nothing is wrong"),
    "machine": ("本机", "our own machine"),
    "network": ("本方网络", "our own network"),
    "line": ("线路", "the line"),
    "host": ("银行主机", "the bank's host"),
    "application": ("银行应用", "the bank's application"),
    "certificate": ("证书", "a certificate"),
    "configuration": ("配置", "the configuration"),
}


class Words(NamedTuple):
    """A cause: what it is and what to do."""

    what: Pair
    todo: Pair


# {…} is filled from the measurements.
CAUSES: dict[str, Words] = {
    "fine": Words(("各步骤均正常", "every step is fine"), ("无需处理", "nothing to do")),
    "one-connection": Words(
        (
            "银行拒绝第二条连接，本机已有 {standing} 条连接在用，视为正常",
            "the bank takes no second connection beside the {standing} that this machine has: that is fine",
        ),
        (
            "在用连接的状态看 node.log；停机时可再测",
            "look at node.log for the one in use; test again when it is down",
        ),
    ),
    "name-unknown": Words(
        ("域名 {host} 无法解析", "nobody knows the name {host}"),
        (
            "核对 links 中的域名与银行通知，以及本机 DNS 设置",
            "compare the name in links with the bank's notice, and our DNS settings",
        ),
    ),
    "resolver-silent": Words(
        ("DNS 服务器不应答", "our DNS servers do not answer"),
        ("检查 /etc/resolv.conf 与本方 DNS", "look at /etc/resolv.conf and our DNS servers"),
    ),
    "resolver-slow": Words(
        ("域名解析慢（{name_ms} 毫秒）", "the name is resolved slowly ({name_ms} ms)"),
        ("检查本方 DNS", "look at our DNS servers"),
    ),
    "interface-down": Words(
        ("网卡 {interface} 未启用或无载波", "interface {interface} is down or has no carrier"),
        (
            "检查网线、交换机端口，启用网卡：ip link set {interface} up",
            "look at cable and switch port, then: ip link set {interface} up",
        ),
    ),
    "no-route": Words(
        ("没有到 {host} 的路由", "there is no route to {host}"),
        ("核对路由表与最近的变更：ip route", "compare the routing table with the last change: ip route"),
    ),
    "own-firewall": Words(
        ("本机防火墙拦截了发往 {host} 的报文", "our own firewall stops what we send to {host}"),
        ("核对本机规则：nft list ruleset", "look at our rules: nft list ruleset"),
    ),
    "no-ports": Words(
        ("本机没有空闲端口", "this machine has no free port left"),
        ("查看连接数：ss -s", "look at what holds them: ss -s"),
    ),
    "interface-errors": Words(
        (
            "网卡 {interface} 一秒内新增 {errors} 个错误",
            "interface {interface} counts {errors} errors in a second",
        ),
        ("检查网线、光模块、双工与交换机端口", "look at cable, optics, duplex and switch port"),
    ),
    "gateway-dead": Words(
        ("网关 {gateway} 不应答", "gateway {gateway} does not answer"),
        ("检查本方路由器或交换机，联系网络管理员", "look at our router or switch; call our network people"),
    ),
    "network-lossy": Words(
        ("到网关 {gateway} 已有丢包", "packets are lost already on the way to gateway {gateway}"),
        ("检查本方交换机与网线", "look at our switch and cabling"),
    ),
    "host-gone": Words(
        ("同网段内找不到 {host}", "{host} is on our own network and nobody answers to its address"),
        (
            "请银行确认主机或前置机在线，核对地址",
            "ask the bank whether the machine is on, and compare the address",
        ),
    ),
    "address-changed": Words(
        (
            "域名 {host} 的地址已改变，新地址连不上",
            "{host} leads to another address than before, and that one cannot be reached",
        ),
        ("与银行核对地址变更通知", "compare it with the bank's notice of a change"),
    ),
    "port-closed": Words(
        (
            "主机在线，端口 {port} 拒绝连接：银行应用未启动或未监听",
            "the host is there and refuses port {port}: nobody listens, the bank's application is down",
        ),
        ("请银行启动应用；并核对地址端口", "ask the bank to start it, and compare address and port"),
    ),
    "port-filtered": Words(
        (
            "主机应答 ping，端口 {port} 无任何回应：防火墙丢弃",
            "the host answers pings and port {port} says nothing: a firewall drops it",
        ),
        (
            "请银行核对对本方地址 {source} 的防火墙策略",
            "ask the bank for its firewall's rule for our address {source}",
        ),
    ),
    "line-down": Words(
        ("报文出了本方网络后没有任何回应", "nothing comes back from beyond our own network"),
        (
            "向运营商报障，同时请银行查看其端；切换到备用线路",
            "report the line to the carrier, ask the bank for its end; use the other line",
        ),
    ),
    "lost-after-connect": Words(
        (
            "已连上，但我方数据未被确认：单向不通或半开",
            "connected, but what we send is not acknowledged: one way is dead",
        ),
        (
            "两端同时抓包，核对当天的 NAT 与防火墙变更",
            "capture at both ends; look at today's changes of NAT and firewalls",
        ),
    ),
    "large-lost": Words(
        (
            "小报文通，大报文丢失：隧道 MTU 问题",
            "small packets pass and large ones vanish: the MTU of a tunnel",
        ),
        ("降低 MTU 或设置 MSS 钳制，请运营商核对", "lower the MTU or clamp the MSS; ask the carrier"),
    ),
    "lossy": Words(
        (
            "线路丢包：ping 丢 {lost}/{sent}，TCP 重传 {resent}",
            "the line loses packets: {lost} of {sent} pings, {resent} TCP segments sent again",
        ),
        (
            "切换到备用线路，停止批量上送，向运营商报障",
            "use the other line, stop uploads on this one, report it to the carrier",
        ),
    ),
    "line-full": Words(
        ("带宽已用 {used_kbit} / {kbit} kbit/s", "{used_kbit} of {kbit} kbit/s are in use"),
        ("找出占用者（备份、批量上送），或扩容", "find who uses it (backups, uploads), or have more"),
    ),
    "line-slow": Words(
        ("线路往返慢（{way_ms} 毫秒）", "a round trip of the line takes {way_ms} ms"),
        ("请运营商检查时延与路由", "ask the carrier for delay and routing"),
    ),
    "not-yet-valid": Words(
        ("银行证书尚未生效；本机时间 {now}", "the bank's certificate is not valid yet; our clock says {now}"),
        (
            "先核对本机时钟；时钟无误再请银行更换证书",
            "check our clock first; if it is right, ask the bank for a certificate that is valid",
        ),
    ),
    "expired": Words(
        (
            "银行证书已过期（剩余 {days} 天）：{subject}；本机时间 {now}",
            "the bank's certificate has ended ({days} days left): {subject}; our clock says {now}",
        ),
        (
            "核对本机时钟，请银行换上新证书",
            "check our clock, then ask the bank to install its new certificate",
        ),
    ),
    "own-expired": Words(
        ("本方证书已过期（{own_days} 天）", "our own certificate has ended ({own_days} days left)"),
        ("换上新证书（docs/tls.md），节点会自动读取", "renew it (docs/tls.md); the node takes it by itself"),
    ),
    "own-refused": Words(
        ("银行不接受本方证书（或来访地址）", "the bank does not accept our certificate, or our address"),
        (
            "把本方证书及其签发机构发给银行登记（docs/tls.md）",
            "have the bank register our certificate and its authority (docs/tls.md)",
        ),
    ),
    "not-set-up": Words(
        ("链路为 tls://，但没有 [tls]", "the link is tls:// and there is no [tls]"),
        ("加上 [tls]（docs/tls.md）", "add [tls] (docs/tls.md)"),
    ),
    "not-tls": Words(
        ("对方说的不是 TLS", "what answers there does not speak TLS"),
        (
            "与银行核对端口，或把链路写成 clear://",
            "compare the port with the bank, or write clear:// if that is meant",
        ),
    ),
    "no-agreement": Words(
        ("双方 TLS 版本或套件不一致（{tls_why}）", "no TLS version or suite in common ({tls_why})"),
        ("请银行启用 TLS 1.2 或 1.3（docs/tls.md）", "ask the bank for TLS 1.2 or 1.3 (docs/tls.md)"),
    ),
    "tls-silent": Words(
        ("TCP 已连上，TLS 握手无应答", "TCP connects and nobody answers the handshake"),
        ("请银行检查其 TLS 前置", "ask the bank to look at its TLS front"),
    ),
    "tls-cut": Words(
        ("对方在 TLS 握手中断开", "the other side hangs up in the handshake"),
        (
            "请银行核对来访地址 {source} 与证书登记",
            "ask the bank whether our address {source} and certificate are registered",
        ),
    ),
    "unregistered": Words(
        (
            "银行出示的证书不在登记之列：{subject}",
            "the bank shows a certificate that is not among those registered: {subject}",
        ),
        (
            "向银行核实指纹后更新 certificates，切勿关闭校验",
            "confirm its SHA-256 with the bank, then update certificates; never turn checks off",
        ),
    ),
    "not-believed": Words(
        (
            "银行证书未通过校验（{tls_why}）：{subject}",
            "the bank's certificate is not believed ({tls_why}): {subject}",
        ),
        (
            "向银行索取签发机构证书加入 authorities，或核对域名",
            "get the authority's certificate for authorities, or compare the name",
        ),
    ),
    "certificate-ends": Words(
        ("银行证书 {days} 天后到期：{subject}", "the bank's certificate ends in {days} days: {subject}"),
        ("提醒银行更换", "remind the bank to renew it"),
    ),
    "own-ends": Words(
        ("本方证书 {own_days} 天后到期", "our own certificate ends in {own_days} days"),
        ("尽快更换（docs/tls.md）", "renew it soon (docs/tls.md)"),
    ),
    "wrong-dialect": Words(
        (
            "对方读不懂或我方读不懂：方言不符（本方 {dialect}；对方能答 {speaks}）",
            "we do not understand each other: we speak {dialect}, an answer came in {speaks}",
        ),
        ("核对该银行的 dialect 与 framing", "correct dialect and framing of this bank"),
    ),
    "returned": Words(
        (
            "报文被原样退回：机构号 {bank} 或 {centre} 不被认识",
            "our message came back unread: {bank} or {centre} is not known there",
        ),
        ("与银行核对机构号", "compare both institution numbers with the bank"),
    ),
    "refused": Words(
        ("银行应用以 {code} 拒绝签到与回响", "the bank's application refuses sign-on and echo with {code}"),
        (
            "请银行登记本机构 {centre} 并查看其日志",
            "ask the bank whether {centre} is registered, and what its log says",
        ),
    ),
    "hung-up": Words(
        ("连上后被断开，没有任何应答", "it takes the connection and hangs up without an answer"),
        (
            "请银行核对来访地址 {source}、允许的连接数与报文格式",
            "ask the bank for our address {source}, the connections it allows, and the format",
        ),
    ),
    "silent": Words(
        (
            "对方收到了报文但应用不应答",
            "the other machine has received what we sent and its application does not answer",
        ),
        (
            "请银行检查应用；核对机构号与方言",
            "ask the bank to look at its application; compare numbers and dialect",
        ),
    ),
    "echoes-lost": Words(
        (
            "{asked} 次回响只应答了 {answered} 次，其余一直无应答",
            "only {answered} of {asked} echoes were answered, the others never",
        ),
        (
            "请银行检查应用：连接在用，却漏答或中途断开",
            "ask the bank to look at its application: it drops what it has received, or hangs up in between",
        ),
    ),
    "application-slow": Words(
        (
            "线路正常（{way_ms} 毫秒），银行应用慢（{echo_ms} 毫秒）",
            "the line takes {way_ms} ms and the bank's application {echo_ms} ms",
        ),
        ("请银行检查其负载；勿缩短或加长时限", "ask the bank for its load; leave the timers alone"),
    ),
}

VERDICTS: dict[str, Pair] = {
    "ok": ("正常", "ok"),
    "slow": ("偏慢", "slow"),
    "failed": ("失败", "failed"),
    "not tried": ("未测", "not tried"),
}

STEPS: dict[str, Pair] = {
    "interface": ("网卡", "interface"),
    "route": ("路由", "route"),
    "name": ("域名", "name"),
    "icmp": ("ping", "icmp"),
    "tcp": ("TCP", "tcp"),
    "tls": ("TLS", "tls"),
    "echo": ("回响", "echo"),
    "bandwidth": ("带宽", "bandwidth"),
}

# Why a step is not simply ok.
WHYS: dict[str, Pair] = {
    "down": ("未启用或无载波", "down or without carrier"),
    "errors": ("错误计数在增加", "its errors are counting up"),
    "no-route": ("没有路由", "no route"),
    "no-neighbour": ("下一跳不应答 ARP", "the next machine does not answer ARP"),
    "gateway-silent": ("网关不答 ping（可能被过滤）", "the gateway answers no pings (they may be filtered)"),
    "gateway-lossy": ("到网关有丢包", "pings to the gateway are lost"),
    "unknown": ("没有这个域名", "no such name"),
    "changed": ("地址与上次不同", "other addresses than last time"),
    "not-allowed": ("本用户无权发 ping", "this user may not send pings"),
    "own-firewall": ("被本机防火墙拦截", "stopped by our own firewall"),
    "filtered": (
        "无应答，可能被过滤，不单独算故障",
        "no answer; it may be filtered and counts for nothing by itself",
    ),
    "lost": ("有丢包", "some were lost"),
    "large-lost": (
        "大报文不通（可能被过滤，也可能是 MTU）",
        "large ones do not come back (a filter, or the MTU)",
    ),
    "refused": ("被拒绝", "refused"),
    "timed-out": ("超时，无任何回应：被丢弃", "timed out, nothing came back: dropped on the way"),
    "unreachable": ("沿途设备报告不可达", "a machine on the way says it cannot be reached"),
    "no-port": ("本机无空闲端口", "no free port here"),
    "one-connection": ("已有连接在用，银行不接受第二条", "one is in use, the bank takes no second"),
    "silent": ("无应答", "no answer"),
    "closed": ("对方断开", "the other side hung up"),
    "closed-unasked": ("握手后即断开", "hung up right after the handshake"),
    "unreadable": ("应答读不懂", "the answer cannot be read"),
    "returned": ("报文被原样退回", "our message came back unread"),
    "ends": ("证书即将到期", "the certificate ends soon"),
    "full": ("接近合同带宽", "near the contracted rate"),
    "an-address": ("链路用的是地址", "the link has an address"),
    "clear-text": ("明文链路", "the link is clear text"),
    "no-contract": ("lines 未写带宽", "no bandwidth in lines"),
    "before-it": ("前一步未通过", "a step before it failed"),
    # handshakes
    "no-certificate": ("对方要求我方证书", "our certificate was asked for"),
    "version": ("TLS 版本不一致", "no version in common"),
    "cipher": ("套件不一致", "no suite in common"),
    "not-tls": ("对方不是 TLS", "it does not speak TLS"),
    "weak": ("证书过弱", "the certificate is weak"),
    "cut": ("握手中断开", "hung up in the handshake"),
    "not-yet-valid": ("证书尚未生效", "the certificate is not valid yet"),
    "expired": ("证书已过期", "the certificate has ended"),
    "unknown-authority": ("签发机构不受信任", "its authority is not believed"),
    "name": ("证书与域名不符", "the certificate is for another name"),
    "purpose": ("证书用途不符", "the certificate is for another purpose"),
    "untrusted": ("证书不受信任", "the certificate is not believed"),
    "damaged": ("握手数据损坏", "the handshake is damaged"),
    "not-set-up": ("没有 [tls]", "there is no [tls]"),
    "deadline": ("握手超时", "the handshake took too long"),
    "unregistered": ("证书未登记", "the certificate is not registered"),
}

# The message that is ready to be sent.
READY: Pair = (
    """【线路告警】{us} → {bank_zh}（{bank}）第 {link} 条链路 {address}，{line}
本方：中心 {centre}，受理机构 {acquirer}，源地址 {source}，接口 {interface}
起始：{since}（本方时钟），测量时间 {now}
判断：{place}——{what}
测量：{measured}
请协助：{todo}
联系：{contact}""",
    """[line trouble] {us} → {bank_en} ({bank}), link {link} {address}, {line}
We are: centre {centre}, acquirer {acquirer}, source address {source}, interface {interface}
Since: {since} (our clock), measured at {now}
We believe: {place} - {what}
Measured: {measured}
Please: {todo}
To: {contact}""",
)
