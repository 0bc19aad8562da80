module smooth

go 1.24

require tidemill v0.0.0

replace tidemill => ../tidemill
