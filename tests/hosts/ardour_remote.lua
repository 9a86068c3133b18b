-- Runs the Lua code in the file FOLDER/ask, and writes its result to FOLDER/answer. ardour.py
-- replaces the placeholder of the folder. Returns a function that must be called repeatedly.
local folder = "@FOLDER@"

return function ()
	local ask = io.open (folder .. "/ask")
	if not ask then return end
	local text = ask:read ("a")
	ask:close ()
	os.remove (folder .. "/ask")
	local piece, fault = load (text)
	local done, result = false, fault
	if piece then done, result = pcall (piece) end
	local answer = io.open (folder .. "/answer.new", "w")
	answer:write (done and "done " or "failed ", tostring (result))
	answer:close ()
	os.rename (folder .. "/answer.new", folder .. "/answer")
end
