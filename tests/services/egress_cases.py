"""Ways inwards: addresses in every notation, names, and URLs that two parsers might read differently."""

from __future__ import annotations

# A host as it stands in a URL.
HOSTS = [
    # The loopback network.
    "127.0.0.1", "127.0.0.2", "127.1.2.3", "127.255.255.254", "127.0.0.1.",
    # Other notations of IPv4: short, one number, hexadecimal, octal, mixed, padded, with other digits.
    "127.1", "127.0.1", "2130706433", "2130706433.", "0x7f000001", "0X7F000001", "0x7f.0x0.0x0.0x1", "0x7f.1",
    "0177.0.0.1", "0177.0.0.0x1", "017700000001", "0127.0.0.1", "127.000.000.001", "00127.0.0.1", "127.0.0.01",
    "0x00000000000000007f000001", "4294967296", "1.2.3.4.5", "256.0.0.1", "127.0.0.0x", "0x",
    "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "\u2460\u2461\u2466.0.0.1", "127.0.0.1%00",
    "%31%32%37.0.0.1",
    # This network, private networks, and what providers of clouds put into the rest.
    "0", "0.0.0.0", "0.0.0.1", "00.00.00.00", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255",
    "192.168.0.1", "192.168.255.255", "169.254.0.1", "169.254.169.254", "169.254.170.2", "169.254.170.23",
    "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "100.64.0.1", "100.127.255.255",
    "100.100.100.200", "192.0.0.192", "192.0.0.8", "168.63.129.16", "192.0.2.1", "192.88.99.1", "198.18.0.1",
    "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    # IPv6.
    "[::1]", "[0:0:0:0:0:0:0:1]", "[0000:0000:0000:0000:0000:0000:0000:0001]", "[::0:1]", "[::]", "[::0.0.0.1]",
    "[fe80::1]", "[febf::1]", "[fec0::1]", "[fc00::1]", "[fd00::1]", "[fd00:ec2::254]", "[fd00:ec2:0:0:0:0:0:254]",
    "[FD00:EC2::254]", "[fd20:ce::254]", "[ff02::1]", "[ff05::1]", "[100::1]", "[4000::1]", "[2001:db8::1]",
    "[3fff::1]",
    "[5f00::1]",
    # IPv4 within IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP.
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::FFFF:10.0.0.1]", "[::ffff:a9fe:a9fe]",
    "[::ffff:169.254.169.254]", "[::ffff:0.0.0.0]", "[::127.0.0.1]", "[::10.0.0.1]", "[::7f00:1]",
    "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::10.0.0.1]",
    "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::10.0.0.1]", "[64:ff9b:1:fffe::169.254.169.254]", "[2002:7f00:1::]",
    "[2002:a00:1::1]", "[2002:a9fe:a9fe::]", "[2001::1]", "[2001:0:7f00:1:0:0:80ff:fffe]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "[2a00:1450::5efe:7f00:1]", "[2a00:1450::200:5efe:a00:1]",
    "[fe80::5efe:10.0.0.1]", "[2001:10::1]", "[2001:20::1]",
    # Zone ids, and brackets that are none.
    "[fe80::1%25eth0]", "[fe80::1%eth0]", "[::1%25lo]", "[::1%lo]", "[2606:4700::1111%25eth0]", "[::1", "::1",
    "[127.0.0.1]",
    "[v1.127.0.0.1]", "[::1]]", "[[::1]]", "[::1].example",
    # Names that only a local network knows.
    "localhost", "LOCALHOST", "localhost.", "localhost..", "a.localhost", "localhost.localdomain", "loopback",
    "redis",
    "metadata", "metadata.", "Metadata", "metadata.google.internal", "metadata.google.internal.",
    "METADATA.GOOGLE.INTERNAL", "instance-data", "instance-data.ec2.internal",
    "ip-10-0-0-1.eu-west-1.compute.internal",
    "kubernetes.default.svc.cluster.local", "host.docker.internal", "gateway.docker.internal", "printer.local",
    "router.home.arpa", "host.containers.internal",
    # No names at all.
    "", ".", "..", "-", "a..b", "a_b.-c", "exa mple.com", "*", "evil.example%2f.public.example",
]  # fmt: skip

# Whole URLs. `{port}` is where a listener waits.
URLS = [
    # Another scheme, or none.
    "file:///etc/passwd", "file://localhost/etc/passwd", "FILE:///etc/passwd", "data:text/plain,hello",
    "blob:http://a",
    "ftp://public.example/", "sftp://public.example/", "gopher://127.0.0.1:{port}/_GET", "dict://127.0.0.1:{port}/",
    "ws://127.0.0.1:{port}/", "wss://public.example/", "ldap://127.0.0.1:{port}/", "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/", "jar:http://public.example!/", "javascript:alert(1)", "about:blank",
    "tftp://127.0.0.1/", "netdoc:///etc/passwd", "//127.0.0.1:{port}/", "127.0.0.1:{port}", "/etc/passwd", "",
    "http:", "http:/", "http://", "http:127.0.0.1:{port}", "http:/127.0.0.1:{port}", "http:///127.0.0.1:{port}",
    "https:127.0.0.1", "http//127.0.0.1:{port}", "hhttp://public.example/",
    # A user name before the host.
    "http://public.example@127.0.0.1:{port}/", "http://public.example:80@127.0.0.1:{port}/",
    "http://user:password@public.example/", "http://@public.example/", "http://127.0.0.1@public.example/",
    "http://public.example%40127.0.0.1:{port}/", "http://public.example#@127.0.0.1:{port}@evil/".replace("#", "%23"),
    "http://a@b@127.0.0.1:{port}/", "http://public.example:@127.0.0.1:{port}/", "http://[::1]@public.example/",
    # Backslashes, white space, control characters and line breaks.
    "http:\\\\127.0.0.1:{port}\\", "http://public.example\\@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\.public.example/",
    "http://public.example\\.127.0.0.1:{port}", "http://public.example/\\..\\", " http://127.0.0.1:{port}/",
    "\thttp://127.0.0.1:{port}/", "ht\ttp://127.0.0.1:{port}/", "http://127.0.0\t.1:{port}/",
    "http://127.0.0.1\n:{port}/",
    "http://public.example\r\nhost: 127.0.0.1/", "http://public.example/\r\nx: y",
    "http://public.example/\nGET / HTTP/1.1",
    "http://public.example/\x00", "http://public.example\x00.127.0.0.1/", "http://public.example/\x7f",
    "http://\u202e1.0.0.721/",
    "http://127.0.0.1 :{port}/", "http://public.example 127.0.0.1/", "\ufeffhttp://127.0.0.1:{port}/",
    # Other spellings of separators and letters.
    "http://public\uff0eexample/", "http://public.example\uff0f@127.0.0.1/", "http://loc\u212alhost:{port}/",
    "http://\u24db\u24de\u24d2al.example/",
    "http://127.0.0.1\uff1a{port}/", "http://\u00fcnicode.example/", "http://%6c%6f%63alhost:{port}/",
    "http://127.0.0.1%2e:{port}/",
    "http://127.0.0.1%23.public.example/", "http://127.0.0.1%2f.public.example:{port}/",
    "http://public.example;127.0.0.1:{port}/",
    "http://public.example,127.0.0.1:{port}/", "http://public.example&@127.0.0.1:{port}/",
    "http://{{127.0.0.1}}:{port}/",
    "http://\ud800.example/",
    # Ports.
    "http://public.example:0/", "http://public.example:65536/", "http://public.example:80:{port}/",
    "http://public.example:+80/",
    "http://public.example:-1/", "http://public.example:8o/", "http://public.example:\uff18\uff10/",
    "http://public.example: 80/",
    "http://127.0.0.1:{port}#/", "http://127.0.0.1:{port}?@public.example/",
    "http://127.0.0.1:{port}/.public.example",
]  # fmt: skip

# What a name resolves to, where every one of the addresses leads inwards.
INWARD = [
    ("127.0.0.1",), ("127.8.8.8",), ("0.0.0.0",), ("10.1.2.3",), ("172.20.0.1",), ("192.168.1.1",), ("100.64.1.1",),
    ("100.100.100.200",), ("169.254.169.254",), ("169.254.170.2",), ("168.63.129.16",), ("192.0.0.192",),
    ("198.18.0.1",),
    ("224.0.0.1",), ("255.255.255.255",), ("::1",), ("::",), ("::ffff:127.0.0.1",), ("::ffff:169.254.169.254",),
    ("::10.0.0.1",), ("64:ff9b::a9fe:a9fe",), ("64:ff9b:1::1",), ("2002:7f00:1::1",), ("2001:0:7f00:1::",),
    ("2a00:1450::5efe:7f00:1",), ("fc00::1",), ("fd00:ec2::254",), ("fe80::1",), ("fe80::1%1",), ("fec0::1",),
    ("ff02::1",),
    ("10.0.0.1", "fd00::1"), ("127.0.0.1", "::1"),
    # What no resolver should say.
    ("127.1",), ("0x7f000001",), ("localhost",), ("",), ("2130706433",), ("/var/run/docker.sock",),
]  # fmt: skip

# Where a public server may redirect to.
LOCATIONS = [
    "http://127.0.0.1:{port}/", "http://127.1:{port}/", "http://2130706433:{port}/", "http://0x7f000001:{port}/",
    "http://0177.0.0.1:{port}/", "http://[::1]:{port}/", "http://[::ffff:127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/", "http://localhost:{port}/", "http://localhost.:{port}/", "//127.0.0.1:{port}/x",
    "//localhost:{port}", "http://169.254.169.254/latest/meta-data/", "http://169.254.170.2/v2/credentials",
    "http://[fd00:ec2::254]/latest/", "http://metadata.google.internal/computeMetadata/v1/", "http://metadata/",
    "http://100.100.100.200/", "http://168.63.129.16/", "http://192.0.0.192/", "http://10.0.0.1/",
    "http://inward.example/",
    "http://public.example@127.0.0.1:{port}/", "http://127.0.0.1:{port}\\@public.example/", "\\\\127.0.0.1:{port}\\",
    "/\\127.0.0.1:{port}/", "http:\\\\127.0.0.1", "ht\ttp://127.0.0.1:{port}/", "http://127.0.0.1\t:{port}/",
    "file:///etc/passwd", "data:text/plain,x", "gopher://127.0.0.1:{port}/", "ftp://public.example/",
    "ws://127.0.0.1:{port}/",
    "javascript:1", "http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1:{port}/",
    "http://public.example:99999/", "http://turning.example/", "https://127.0.0.1:{port}/",
]  # fmt: skip
