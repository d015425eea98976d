// Loaded into NNI's manager before its own code (NODE_OPTIONS), because NNI 3.0 has no setting for any of this.
"use strict";
const net = require("net");

// Its web server has no password and listens on every interface: servers without a host listen on this machine only.
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (first, ...others) {
    if (typeof first === "number") {
        const rest = typeof others[0] === "string" ? others.slice(1) : others;
        return listen.call(this, first, "127.0.0.1", ...rest);
    }
    return listen.call(this, first, ...others);
};

// It gives the tuner ten seconds to import its packages, which a busy machine may need longer for.
const later = global.setTimeout;
global.setTimeout = Object.assign(
    (call, delay, ...others) =>
        later(call, String(call).includes("Tuner did not connect") ? 12 * delay : delay, ...others),
    later,
);

// It outlives whoever started it: without that process it ends, and its trials and tuner with their connection to it.
const parent = process.ppid;
setInterval(() => {
    if (process.ppid !== parent) process.exit(1);
}, 500).unref();
