
-- Runs in Traffic Server for each request. ROUTES has the longest prefix first.
local HEADER, HOST = "X-Front-Cache", "front"

local function group_of(path)
  for _, route in ipairs(ROUTES) do
    local prefix, group = route[1], route[2]
    if path:sub(1, #prefix) == prefix then
      local after = path:sub(#prefix + 1, #prefix + 1)
      if after == "" or after == "/" or prefix:sub(-1) == "/" then
        return group
      end
    end
  end
end

local function uncacheable(headers)
  local said = (headers["Cache-Control"] or ""):lower()
  return said:find("no-store", 1, true) or said:find("private", 1, true)
end

local function looked_up()
  local found = ts.http.get_cache_lookup_status()
  ts.ctx["found"] = found
  if found == TS_LUA_CACHE_LOOKUP_HIT_FRESH then
    if ts.http.txn_info_get(TS_LUA_TXN_INFO_CACHE_HIT_RWW) == 1 then
      ts.ctx["kept"] = "collapsed"
    elseif ts.http.txn_info_get(TS_LUA_TXN_INFO_CACHE_HIT_RAM) == 1 then
      ts.ctx["kept"] = "hit"
    else
      ts.ctx["kept"] = "storage"
    end
  end
  return 0
end

local function answered()
  local status = ts.server_response.get_status()
  ts.ctx["status"] = status
  local ip, port = ts.server_request.server_addr.get_nexthop_addr()
  ts.ctx["address"] = ip and ip .. ":" .. port
  if uncacheable(ts.server_response.header) then
    ts.ctx["passed"] = true
  elseif TTL_S and (status == 200 or status == 304) then
    ts.server_response.header["Cache-Control"] = "public, max-age=" .. TTL_S
    ts.server_response.header["Expires"] = nil
  end
  return 0
end

local function outcome(method)
  local status, found = ts.ctx["status"], ts.ctx["found"]
  if ts.ctx["passed"] or (method ~= "GET" and method ~= "HEAD") then
    return "pass"
  elseif found == TS_LUA_CACHE_LOOKUP_HIT_STALE and (not status or status >= 500) then
    return ts.client_response.get_status() < 500 and "stale" or "miss"
  elseif found == TS_LUA_CACHE_LOOKUP_HIT_STALE and status == 304 then
    return "revalidated"
  end
  return not status and ts.ctx["kept"] or "miss"
end

local function answering()
  ts.client_response.header[HEADER] = outcome(ts.client_request.get_method())
  io.write("served ", ts.client_response.get_status(), " ", ts.ctx["address"] or "-", "\n")
  io.flush()
  return 0
end

function do_remap()
  local group = group_of(ts.client_request.get_uri())
  if not group then
    ts.http.set_resp(404, "no route\n")
    return TS_LUA_REMAP_NO_REMAP_STOP
  end
  ts.client_request.set_url_host(group)
  ts.client_request.set_url_port(80)
  ts.client_request.header["Host"] = HOST
  ts.hook(TS_LUA_HOOK_CACHE_LOOKUP_COMPLETE, looked_up)
  ts.hook(TS_LUA_HOOK_READ_RESPONSE_HDR, answered)
  ts.hook(TS_LUA_HOOK_SEND_RESPONSE_HDR, answering)
  return TS_LUA_REMAP_DID_REMAP_STOP
end
