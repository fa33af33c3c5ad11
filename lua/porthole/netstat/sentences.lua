--- How netstat -s words the counters: by protocol and by the kernel's name. `always`: also when it is zero; `histogram`:
-- it stands in ICMP's list of types that came in or went out.
-- @module porthole.netstat.sentences

return {
}
